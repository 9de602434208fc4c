// Instructions by source file, read from callgrind's format with its numbered names.
import Testing

@testable import Bench

struct FileCostsTests {
  private let text = """
    # callgrind format
    events: Ir
    ob=(1) /usr/bin/server
    fl=(1) /src/Worker.swift
    fn=(1) run
    12 30
    +2 7
    fi=(2) /src/Memory/Item.swift
    40 100
    fe=(1)
    * 3
    cob=(2) /lib/libevent.so
    cfi=(4) /src/Late.swift
    cfn=(2) find
    calls=3 12
    15 90
    ob=(2)
    fl=(3) ???
    fn=(3) loop
    0 50
    ob=(1)
    fl=(2)
    fn=(2)
    -1 11
    fi=(4)
    -1 20
    totals: 311
    """

  @Test func costsGoToTheFileThatTheyAreWrittenIn() {
    #expect(
      FileCosts(text).instructions == ["Worker.swift": 40, "Item.swift": 111, "libevent.so": 50, "Late.swift": 20])
    #expect(FileCosts("").instructions.isEmpty)
  }

  @Test func whatOneRequestCosts() {
    let costs = FileCosts(text).costs(beyond: FileCosts(), count: 10)
    #expect(costs.instructions == ["Worker.swift": 4, "Item.swift": 11.1, "libevent.so": 5, "Late.swift": 2])
    #expect(FileCosts(text).costs(beyond: FileCosts(text), count: 10).instructions.values.allSatisfy { $0 == 0 })
  }

  @Test func theTableHasWhatCostsMost() throws {
    let rows = Array(LoadCase.all.prefix(2))
    let costs = FileCosts(text).costs(beyond: FileCosts(), count: 10)
    let table = Report.fileTable([(rows[0], costs), (rows[1], nil)]).split(separator: "\n")
    #expect(table.count == 6 && table[2].hasPrefix("Item.swift") && table[4].hasPrefix("Worker.swift"))
    #expect(table[2].contains("11.1") && table[2].contains("0.0"))
    let small = Report.fileTable([(rows[0], costs.costs(beyond: FileCosts(), count: 10))])
    #expect(small.split(separator: "\n").count == 3)
  }
}
