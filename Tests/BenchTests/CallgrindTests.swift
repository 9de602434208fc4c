// What is read from callgrind's files, and the limits that `make check` holds requests to.
import Testing

@testable import Bench

struct CallgrindTests {
  private let text = """
    # callgrind format
    events: Ir
    fl=(1) malloc.c
    fn=(1) malloc
    12 30
    fn=(2) Worker.run
    14 7
    cfn=(1)
    calls=3 12
    15 90
    cfn=(3) swift_retain
    calls=2 40
    16 10
    cfn=(4) swift_retained_by_nobody_we_know
    calls=1 40
    16 10
    cfn=(5) parse
    calls=100 41
    17 5
    cfi=(2) other.c
    cfn=(3)
    calls=4 40
    18 5
    totals: 15200
    """

  @Test func callsAreToldByTheirNames() {
    let profile = CallgrindProfile(text)
    #expect(profile.instructions == 15200 && profile.heapCalls == 3 && profile.referenceCounts == 6)
    #expect(CallgrindProfile("") == CallgrindProfile())
  }

  @Test func whatOneRequestCosts() {
    var more = CallgrindProfile(text)
    more.instructions += 1000
    more.heapCalls += 5
    let costs = more.costs(beyond: CallgrindProfile(text), count: 10)
    #expect(costs.instructions == 100 && costs.heapCalls == 0.5 && costs.referenceCounts == 0)
  }

  @Test func theLeastOfSomeCounts() {
    var one = CallgrindProfile()
    (one.instructions, one.heapCalls, one.referenceCounts) = (100, 0, 3)
    var other = CallgrindProfile()
    (other.instructions, other.heapCalls, other.referenceCounts) = (90, 1, 2)
    let least = one.least(with: other)
    #expect(least.instructions == 90 && least.heapCalls == 0 && least.referenceCounts == 2)
    #expect(other.least(with: one) == least)
  }

  @Test func aRequestAboveItsLimitIsTold() throws {
    let limits = try InstructionLimits("# none\nget1 100 # measured 95\n\nset100 200\n")
    var costs = CallgrindProfile()
    costs.instructions = 100
    #expect(limits.complaints("get1", costs).isEmpty)
    costs.instructions = 101
    #expect(limits.complaints("get1", costs) == ["get1: 101 instructions, limit 100"])
    #expect(limits.complaints("set100", costs).isEmpty && limits.complaints("other", costs).isEmpty)
    costs.heapCalls = 1
    costs.referenceCounts = 0.02
    #expect(
      limits.complaints("set100", costs)
        == ["set100: 1.00 calls of the heap a request, limit 0", "set100: 0.02 reference counts a request, limit 0"])
  }

  @Test func limitsThatAreNone() {
    #expect(throws: BenchFailure.self) { try InstructionLimits("get1 few\n") }
    #expect(throws: BenchFailure.self) { try InstructionLimits("get1\n") }
  }
}
