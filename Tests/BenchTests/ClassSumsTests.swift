// When a server's classes count as adding up.
import Testing

@testable import Bench

struct ClassSumsTests {
  private let totals = ["curr_items": 5, "evictions": 9]
  private let items = ["items:1:number": 3, "items:1:number_hot": 3, "items:7:number": 2]
  private let slabs = [
    "1:chunks_per_page": 4, "1:total_pages": 2, "1:total_chunks": 8, "1:used_chunks": 3, "1:free_chunks": 5,
    "7:chunks_per_page": 2, "7:total_pages": 1, "7:total_chunks": 2, "7:used_chunks": 2, "7:free_chunks": 0,
    "active_slabs": 2, "total_malloced": 3_145_728,
  ]

  @Test func whatAddsUp() {
    #expect(ClassSums(totals: totals, items: items, slabs: slabs).complaints.isEmpty)
  }

  @Test func itemsThatNobodyHas() {
    var items = items
    items["items:7:number"] = 1
    #expect(
      ClassSums(totals: totals, items: items, slabs: slabs).complaints == ["curr_items 5, but 4 in all classes"])
  }

  @Test(arguments: ["1:used_chunks", "1:free_chunks", "1:total_chunks", "1:total_pages"])
  func chunksThatAreNowhere(row: String) {
    var slabs = slabs
    slabs[row] = (slabs[row] ?? 0) + 1
    let complaints = ClassSums(totals: totals, items: items, slabs: slabs).complaints
    #expect(complaints.count == 1 && complaints[0].hasPrefix("class 1: "))
  }
}
