// Reading traces, and what a trace becomes before it is replayed: keys, sizes, copies, footprint.
import Testing

@testable import Bench

struct TraceTests {
  @Test func fieldsMayBeEmptyOrLeftOut() throws {
    let trace = try Trace(Array("#time,key\n0,a,512,s\n,-7\n,a,,\n,b,9,,60\n\n,-7,1".utf8))
    #expect(
      trace.requests == [
        request(0, 512, isWrite: true), request(1, -1), request(0, -1), request(2, 9, ttlSeconds: 60), request(1, 1),
      ])
    #expect((0..<trace.keys.count).map { text(trace.keys, $0) } == ["a", "-7", "b"])
  }

  @Test func theLimitCountsRequests() throws {
    #expect(try Trace(Array("#\n,a\n,b\n,c\nwrong".utf8), limit: 3).requests.count == 3)
  }

  @Test(arguments: ["0", "0,", ",a b", ",a,x", ",a,-1", ",a,1,x", ",a,1,s,x", ",a,1,s,1,1", ",a,9999999999"])
  func aWrongLineIsNamed(line: String) {
    let failure = #expect(throws: BenchFailure.self) { try Trace(Array("#\n,a\n\(line)\n".utf8)) }
    #expect(failure?.message == "line 3 of the trace is no request: \(line)")
  }

  @Test func copiesBringThePartToItsLeastSize() throws {
    let trace = try Trace(Array(",a\n,b\n,a\n".utf8))
    let single = Workload("w", trace, .constant(99), part: 0.1, leastByteCount: 0)
    #expect(single.copyCount == 1 && single.footprintByteCount == 200 && single.requestCount == 3)
    let triple = Workload("w", trace, .constant(99), part: 0.1, leastByteCount: 41)
    #expect(triple.copyCount == 3 && triple.footprintByteCount == 2 * 3 * 102)
    var keys: [String] = []
    triple.replay { keys.append(text(triple.keys, $0.key)) }
    #expect(keys == ["a-0", "a-1", "a-2", "b-0", "b-1", "b-2", "a-0", "a-1", "a-2"])
  }

  @Test func recordedSizesAreKeptAndCapped() throws {
    let trace = try Trace(Array(",a,10\n,a,30,s\n,b,2000000\n".utf8))
    let workload = Workload("w", trace, .constant(1), part: 0.1, leastByteCount: 0)
    var byteCounts: [Int] = []
    workload.replay { byteCounts.append($0.valueByteCount) }
    #expect(byteCounts == [10, 30, 1_000_000])
    #expect(workload.footprintByteCount == 31 + 1_000_001)
    #expect(workload.memoryMegabytes(part: 1) == 1 && workload.memoryMegabytes(part: 2) == 2)
  }

  @Test func keysAreFoundAgain() {
    var keys = KeyTable()
    let texts = (0..<5000).map { ArraySlice("key-\($0)".utf8) }
    #expect(texts.map { keys.number(of: $0) } == Array(0..<5000))
    #expect(texts.reversed().map { keys.number(of: $0) } == (0..<5000).reversed())
    #expect(text(keys, 4999) == "key-4999")
  }

  private func request(
    _ key: UInt32, _ byteCount: Int32, ttlSeconds: Int32 = 0, isWrite: Bool = false
  ) -> TraceRequest {
    TraceRequest(key: key, valueByteCount: byteCount, ttlSeconds: ttlSeconds, isWrite: isWrite)
  }

  private func text(_ keys: KeyTable, _ key: Int) -> String {
    String(decoding: keys.bytes[keys.range(key)], as: UTF8.self)
  }
}
