// Whether what a server says of its slab classes adds up: asked at the end of every run that measures memory, so that a
// figure is never that of a store in disorder. The invariants inside ours are the business of its own tests.

struct ClassSums {
  private let totals: [String: Int]
  private let items: [String: Int]
  private let slabs: [String: Int]

  /// The numbers of `stats`, `stats items` and `stats slabs`.
  init(totals: [String: Int], items: [String: Int], slabs: [String: Int]) {
    self.totals = totals
    self.items = items
    self.slabs = slabs
  }

  /// What does not add up; empty when all does.
  var complaints: [String] {
    var complaints: [String] = []
    let number = items.filter { $0.key.hasPrefix("items:") && $0.key.hasSuffix(":number") }.values.reduce(0, +)
    if number != totals["curr_items"] {
      complaints.append("curr_items \(totals["curr_items"] ?? -1), but \(number) in all classes")
    }
    for slabClass in Set(slabs.keys.compactMap { $0.contains(":") ? $0.split(separator: ":").first : nil }) {
      func row(_ name: String) -> Int { slabs["\(slabClass):\(name)"] ?? 0 }
      let chunks = row("total_pages") * row("chunks_per_page")
      if row("total_chunks") != chunks || row("used_chunks") + row("free_chunks") != chunks {
        complaints.append(
          "class \(slabClass): \(chunks) chunks in its pages, \(row("total_chunks")) in all, "
            + "\(row("used_chunks")) used and \(row("free_chunks")) free")
      }
    }
    return complaints
  }
}

extension ServerLink {
  /// Throws unless the classes add up. Sections are asked for one after the other, and meanwhile an item may expire or
  /// a page move: so several times.
  mutating func checkClassSums() throws {
    var complaints: [String] = []
    for _ in 0..<10 {
      complaints = ClassSums(totals: try stats(), items: try stats("items"), slabs: try stats("slabs")).complaints
      if complaints.isEmpty { return }
    }
    throw wrong("stats do not add up: " + complaints.joined(separator: "; "))
  }
}
