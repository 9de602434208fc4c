// Settings that commands change: nothing is changed until a command says so, each row shows under its name in `stats
// settings`, and each command sets its row. What the values do is the business of those who read them.
import InProcess
import Testing

@testable import CacheCore

struct TunablesTests {
  private func rows(_ tunables: Tunables) -> [String: String] {
    let usual = ["before"] + Tunable.allCases.map(\.settingName) + ["after"]
    let applied = tunables.applied(to: usual.map { ($0, "as started") }, ratioText: { "ratio \($0)" })
    #expect(applied.map(\.name) == usual)
    return Dictionary(uniqueKeysWithValues: applied.map { ($0.name, $0.value) })
  }

  @Test func namesAreUnique() {
    #expect(Set(Tunable.allCases.map(\.settingName)).count == Tunable.allCases.count)
  }

  @Test func nothingIsChangedAtFirst() {
    let tunables = Tunables()
    for tunable in Tunable.allCases { #expect(tunables[tunable] == nil) }
    #expect(tunables.crawlerEnabled)
    #expect(tunables.order == .s3fifo)
    #expect(rows(tunables).values.allSatisfy { $0 == "as started" })
  }

  @Test(arguments: Tunable.allCases)
  func eachRowAlone(tunable: Tunable) {
    let tunables = Tunables()
    func shown() -> String { rows(tunables)[tunable.settingName] ?? "" }
    let values: [(() -> Void, String)] =
      switch tunable.kind {
      case .flag: [({ tunables[tunable] = 1 }, "yes"), ({ tunables[tunable] = 0 }, "no")]
      case .number: [({ tunables[tunable] = 123 }, "123"), ({ tunables[tunable] = 0 }, "0")]
      case .ratio:
        [({ tunables.set(tunable, ratio: 0.25) }, "ratio 0.25"), ({ tunables.set(tunable, ratio: 3) }, "ratio 3.0")]
      case .order:
        EvictionOrder.allCases.map { order in
          ({ tunables[tunable] = UInt64(order.rawValue) }, order == .flat ? "no" : "yes")
        }
      }
    for (set, text) in values {
      set()
      #expect(tunables[tunable] != nil)
      #expect(shown() == text)
    }
    for other in Tunable.allCases where other != tunable { #expect(tunables[other] == nil) }
    #expect(rows(tunables).values.filter { $0 != "as started" }.count == 1)
    tunables[tunable] = nil
    #expect(tunables[tunable] == nil && shown() == "as started")
  }

  /// What the command line said holds until a command says otherwise, and again when that is taken back.
  @Test func theCommandLineComesFirst() {
    let tunables = Tunables()
    tunables.setDefault(.hotPercent, 33)
    tunables.setDefault(.warmMaxFactor, ratio: 1.5)
    tunables.setDefault(.order, UInt64(EvictionOrder.flat.rawValue))
    #expect(tunables.current(.hotPercent) == 33 && tunables.ratio(.warmMaxFactor) == 1.5 && tunables.order == .flat)
    #expect(tunables[.hotPercent] == nil)
    #expect(rows(tunables).values.allSatisfy { $0 == "as started" })
    tunables[.hotPercent] = 40
    tunables[.order] = UInt64(EvictionOrder.segmented.rawValue)
    #expect(tunables.current(.hotPercent) == 40 && tunables.order == .segmented)
    tunables[.hotPercent] = nil
    tunables[.order] = nil
    #expect(tunables.current(.hotPercent) == 33 && tunables.order == .flat)
  }

  /// Copies are the same settings: all threads see what one sets.
  @Test func copiesShare() {
    let tunables = Tunables()
    let copy = tunables
    copy[.crawler] = 0
    #expect(tunables.crawlerEnabled == false)
  }

  @Test(arguments: [
    ("lru_crawler disable", ["lru_crawler": "no"]), ("lru_crawler sleep 5000", ["lru_crawler_sleep": "5000"]),
    ("lru_crawler tocrawl 77", ["lru_crawler_tocrawl": "77"]),
    ("slabs automove ratio 0.5", ["slab_automove_ratio": "ratio 0.5"]),
    ("slabs automove freeratio 0.75", ["slab_automove_freeratio": "ratio 0.75"]),
    ("slabs automove window 30", ["slab_automove_window": "30"]),
    (
      "lru tune 10 25 0.1 2.0",
      [
        "hot_lru_pct": "10", "warm_lru_pct": "25", "hot_max_factor": "ratio 0.1", "warm_max_factor": "ratio 2.0",
      ]
    ),
    ("lru temp_ttl 30", ["temp_lru": "yes", "temporary_ttl": "30"]), ("lru temp_ttl -1", ["temp_lru": "no"]),
    ("slabs automove 0", ["slab_automove": "0"]), ("slabs automove 2", ["slab_automove": "2"]),
    ("lru mode flat", ["lru_segmented": "no", "lru_policy": "flat"]),
    ("lru mode segmented", ["lru_segmented": "yes", "lru_policy": "segmented"]),
    ("lru mode s3fifo", ["lru_segmented": "yes", "lru_policy": "s3fifo"]),
  ])
  func commandsSetTheirRows(command: String, expected: [String: String]) {
    let names = Tunable.allCases.map(\.settingName) + [EvictionOrder.settingName]
    let server = InProcessServer(settingsRows: { _, store in
      store.value.tunables.applied(to: names.map { ($0, "as started") }, ratioText: { "ratio \($0)" })
    })
    #expect(server.send(command + "\r\n") == "OK\r\n")
    // Any beginning of a sub-command is the sub-command; another connection sees the same.
    let report = server.send("stats settings\r\n", client: 2).split(separator: "\r\n").dropLast()
    var changed: [String: String] = [:]
    for line in report {
      let words = line.split(separator: " ", maxSplits: 2).map(String.init)
      if words.count == 3, words[2] != "as started" { changed[words[1]] = words[2] }
    }
    #expect(changed == expected)
  }
}
