// Whole conversations under the fuzzer: the input is a script of what two clients send, in which pieces, and what
// happens in between (FuzzScript). It is played twice, in the pieces it asks for and in pieces as large as they can be;
// both must give well-formed replies, the same ones, and leave a sound store. A model of what the replies should be is
// not here: ModelTests has one.

enum SessionFuzz {
  static func objection(to input: [UInt8]) -> String? {
    guard let script = FuzzScript(input) else { return nil }
    let torn = FuzzPeer.play(script, joined: false)
    if let objection = torn.objection { return "in pieces: \(objection)" }
    let joined = FuzzPeer.play(script, joined: true)
    if let objection = joined.objection { return "in one piece: \(objection)" }
    guard torn.replies != joined.replies, mayCompare(script, torn, joined) else { return nil }
    for client in Set(torn.replies.keys).union(joined.replies.keys).sorted() {
      let (some, others) = (torn.replies[client] ?? [], joined.replies[client] ?? [])
      guard some != others else { continue }
      let place = zip(some, others).prefix { $0 == $1 }.count
      return "client \(client) is answered \(shown(some, place)) when it sends in pieces, and \(shown(others, place)) "
        + "when it does not, from byte \(place) on"
    }
    return nil
  }

  /// Whether pieces must make no difference. They rightly make one in these cases (Docs/wire.md, Docs/storage.md).
  private static func mayCompare(_ script: FuzzScript, _ torn: FuzzPlay, _ joined: FuzzPlay) -> Bool {
    let commands = script.sentText
    // A value in pieces takes a chunk before its key is looked at; a value at hand may be written over the old one.
    // In a full store that decides who is evicted. In any store it decides the order of the list, which dumps show.
    // Other dumps walk the hash table, which is another one in each play; they and `watch` want no replies before them.
    if torn.wasFull || joined.wasFull || commands.contains("dump") || commands.contains("watch") { return false }
    // What a slow client asks for is answered later.
    if torn.wasSlow { return false }
    // While a value is on its way it is not changed in place, so a number loses its padding, and its chunks count as
    // used in the figures.
    let mayTell = ["incr", "decr", "stats", "ma "].contains(where: commands.contains) || script.mayBeBinary
    if torn.gathered || joined.gathered, mayTell { return false }
    // A line of this length may not come in pieces; get and gets may, but then the values before a bad key stay.
    if script.longestLineByteCount > 2048 { return false }
    // An over-long key takes back what its command has composed, as far as it is not sent.
    if torn.wasFlushed || joined.wasFlushed, torn.refusedFormat || joined.refusedFormat { return false }
    return true
  }

  private static func shown(_ bytes: [UInt8], _ place: Int) -> String {
    "\"\(FuzzCorpus.escaped(Array(bytes.dropFirst(place).prefix(160))))\" (\(bytes.count) bytes)"
  }
}
