// The `stats` command: which report its words ask for, and how each is put together. The plain one is a table of its
// own (GeneralStats); settings come from the option table through the host. Matching of the words is the reference's:
// some by prefix in a fixed order, some exactly (section 6), and the other way round in the binary protocol (4.5).
// Never muted by noreply.

extension Engine {
  /// The whole answer to `stats <words>`, asked by the connection `descriptor`.
  mutating func statsReport(_ input: RawSpan, _ range: ByteRange, descriptor: Int32) -> [UInt8] {
    defer { lookForObservers() }
    var words = Tokenizer(start: range.start, end: range.end)
    let word = words.next(input)
    var lines = StatLines(.text)
    func isPrefix(of text: StaticString) -> Bool { TextParser.isPrefix(input, word, of: text) }
    if word.isEmpty {
      addGeneralStats(&lines)
    } else if isPrefix(of: "reset") {
      reset()
      return Array("RESET\r\n".utf8)
    } else if isPrefix(of: "detail") {
      return detail(input, &words)
    } else if isPrefix(of: "settings") {
      addSettings(&lines)
    } else if isPrefix(of: "cachedump") {
      return cacheDump(input, &words)
    } else if isPrefix(of: "conns") {
      addConnections(&lines, asking: descriptor)
    } else if input.equals(word, "items") {
      addItemStats(&lines)
    } else if input.equals(word, "slabs") {
      addSlabStats(&lines)
    } else if input.equals(word, "sizes") {
      addSizes(&lines)
    } else if input.equals(word, "waste") {
      addWaste(&lines)
    } else {
      return Array("ERROR\r\n".utf8)
    }
    lines.end()
    return lines.bytes
  }

  /// The whole answer to a stat packet with the key `range`: one packet a statistic, then an empty one.
  mutating func binaryStatsReport(_ input: RawSpan, _ range: ByteRange, _ header: BinaryHeader) -> [UInt8] {
    defer { lookForObservers() }
    var lines = StatLines(.binary(header))
    if range.isEmpty {
      addGeneralStats(&lines)
    } else if input.hasPrefix(range, "reset") {
      reset()
    } else if input.hasPrefix(range, "settings") {
      addSettings(&lines)
    } else if input.hasPrefix(range, "detail") {
      return binaryDetail(input, range, header)
    } else if input.equals(range, "items") {
      addItemStats(&lines)
    } else if input.equals(range, "slabs") {
      addSlabStats(&lines)
    } else if input.equals(range, "sizes") {
      addSizes(&lines)
    } else if input.equals(range, "waste") {
      addWaste(&lines)
    } else {
      return BinaryComposer.packet(header, .notFound)
    }
    lines.end()
    return lines.bytes
  }

  private func binaryDetail(_ input: RawSpan, _ range: ByteRange, _ header: BinaryHeader) -> [UInt8] {
    guard configuration.permissions.dump else { return BinaryComposer.packet(header, .notFound) }
    let word = ByteRange(start: range.start + "detail".utf8.count, end: range.end)
    if input.hasPrefix(word, " on") {
      configuration.modes.countsPrefixes = true
    } else if input.hasPrefix(word, " off") {
      configuration.modes.countsPrefixes = false
    } else if input.hasPrefix(word, " dump") {
      let packet = BinaryComposer.packet(
        header, key: Array("detailed".utf8), value: configuration.prefixes.dump())
      return packet + BinaryComposer.packet(header, key: [], value: [])
    } else {
      return BinaryComposer.packet(header, .invalidArguments)
    }
    return BinaryComposer.packet(header, key: [], value: [])
  }

  private func addGeneralStats(_ lines: inout StatLines) {
    let facts = host.facts()
    let figures = store.value.figures()
    for row in GeneralStat.rows(versionText: configuration.versionText) {
      let name = "\(row.name)"
      switch row.source {
      case .counter(let counter): lines.add(name, configuration.registry.value(counter))
      case .classTotal(let counter): lines.add(name, configuration.registry.total(counter))
      case .host(let text): lines.add(name, text(facts))
      case .hostIfAny(let figure):
        if let number = figure(facts) { lines.add(name, String(number)) }
      case .hostWhen(let isPresent, let counter):
        if isPresent(facts) { lines.add(name, configuration.registry.value(counter)) }
      case .classStatistic(let value): lines.add(name, value(figures.statistics))
      case .figures(let value): lines.add(name, UInt64(value(figures)))
      case .store(let value): lines.add(name, UInt64(value(store.value)))
      case .counterAndStore(let counter, let value):
        lines.add(name, configuration.registry.value(counter) + UInt64(value(store.value)))
      case .zero: lines.add(name, 0)
      case .text(let text): lines.add(name, text)
      }
    }
  }

  private func reset() {
    configuration.registry.reset()
    configuration.prefixes.reset()
    store.value.resetStatistics()
    store.value.eventLog.resetCounters()
  }

  private func addSettings(_ lines: inout StatLines) {
    for (name, value) in host.settings() { lines.add(name, value) }
  }

  private func detail(_ input: RawSpan, _ words: inout Tokenizer) -> [UInt8] {
    let word = words.next(input)
    guard configuration.permissions.dump else { return Array("CLIENT_ERROR stats detail not allowed\r\n".utf8) }
    if input.equals(word, "on") {
      configuration.modes.countsPrefixes = true
    } else if input.equals(word, "off") {
      configuration.modes.countsPrefixes = false
    } else if input.equals(word, "dump") {
      return configuration.prefixes.dump()
    } else {
      return Array("CLIENT_ERROR usage: stats detail on|off|dump\r\n".utf8)
    }
    return Array("OK\r\n".utf8)
  }

  private func addConnections(_ lines: inout StatLines, asking descriptor: Int32) {
    for connection in host.connections() {
      let prefix = "\(connection.descriptor):"
      if connection.isDatagram { lines.add(prefix + "UDP", "UDP") }
      lines.add(prefix + "addr", connection.address)
      if let listenAddress = connection.listenAddress { lines.add(prefix + "listen_addr", listenAddress) }
      // The one that asks is being served at this moment.
      lines.add(prefix + "state", connection.descriptor == descriptor ? "conn_parse_cmd" : connection.state)
      lines.add(prefix + "secs_since_last_cmd", UInt64(connection.secondsSinceLastCommand))
    }
  }

  // Per class.

  /// Classes with items, in the keys and order of section 6.3.
  private func addItemStats(_ lines: inout StatLines) {
    for slabClass in 1..<store.value.slabClassCount {
      let figures = store.value.classFigures(slabClass, now: now)
      guard figures.itemCount > 0 else { continue }
      let statistics = figures.statistics
      func add(_ name: StaticString, _ value: UInt64) { lines.add("items:\(slabClass):\(name)", value) }
      add("number", UInt64(figures.itemCount))
      add("number_hot", UInt64(figures.counts[0]))
      add("number_warm", UInt64(figures.counts[1]))
      add("number_cold", UInt64(figures.counts[2]))
      if store.value.tunables.current(.temporaryLRU) != 0 { add("number_temp", UInt64(figures.counts[3])) }
      add("age_hot", UInt64(figures.agesSeconds[0]))
      add("age_warm", UInt64(figures.agesSeconds[1]))
      add("age", UInt64(figures.agesSeconds[2]))
      add("mem_requested", UInt64(figures.byteCount))
      add("evicted", statistics.evicted)
      add("evicted_nonzero", statistics.evictedNonzero)
      add("evicted_time", UInt64(statistics.evictedTimeSeconds))
      add("outofmemory", statistics.outOfMemory)
      add("tailrepairs", 0)
      add("reclaimed", statistics.reclaimed)
      add("expired_unfetched", statistics.expiredUnfetched)
      add("evicted_unfetched", statistics.evictedUnfetched)
      add("evicted_active", statistics.evictedActive)
      add("crawler_reclaimed", statistics.crawlerReclaimed)
      add("crawler_items_checked", statistics.crawlerItemsChecked)
      add("lrutail_reflocked", statistics.lruTailReflocked)
      add("moves_to_cold", statistics.movesToCold)
      add("moves_to_warm", statistics.movesToWarm)
      add("moves_within_lru", statistics.movesWithinLRU)
      add("direct_reclaims", statistics.directReclaims)
      for (name, hits) in hitsByList(slabClass) { add(name, hits) }
    }
  }

  /// Hits by list; those on the last page of S3-FIFO's main queue are hits on COLD, where it belongs.
  private func hitsByList(_ slabClass: Int) -> [(name: StaticString, hits: UInt64)] {
    func hits(_ counter: ClassCounter) -> UInt64 { configuration.registry.value(counter, slabClass: slabClass) }
    let warmIsCold = store.value.tunables.order == .s3fifo
    return [
      (ClassCounter.hitsToHot.wireName, hits(.hitsToHot)),
      (ClassCounter.hitsToWarm.wireName, warmIsCold ? 0 : hits(.hitsToWarm)),
      (ClassCounter.hitsToCold.wireName, hits(.hitsToCold) + (warmIsCold ? hits(.hitsToWarm) : 0)),
      (ClassCounter.hitsToTemporary.wireName, hits(.hitsToTemporary)),
    ]
  }

  /// Classes that own a page, in the keys and order of section 6.4.
  private func addSlabStats(_ lines: inout StatLines) {
    var active: UInt64 = 0
    for slabClass in 1..<store.value.slabClassCount {
      let figures = store.value.classFigures(slabClass, now: now)
      guard figures.pageCount > 0 else { continue }
      active += 1
      func add(_ name: StaticString, _ value: Int) { lines.add("\(slabClass):\(name)", UInt64(value)) }
      add("chunk_size", figures.chunkByteCount)
      add("chunks_per_page", figures.chunksPerPage)
      add("total_pages", figures.pageCount)
      add("total_chunks", figures.chunkCount)
      add("used_chunks", figures.chunkCount - figures.freeCount)
      add("free_chunks", figures.freeCount)
      add("free_chunks_end", 0)
      for counter in ClassCounter.slabRows {
        lines.add("\(slabClass):\(counter.wireName)", configuration.registry.value(counter, slabClass: slabClass))
      }
    }
    lines.add("active_slabs", active)
    lines.add("total_malloced", UInt64(store.value.slabs.pagesInUse * store.value.slabs.classes.pageByteCount))
  }

  /// Items by size in steps of 32 bytes. Always there: it is read off the pages when asked for.
  private func addSizes(_ lines: inout StatLines) {
    for (upperBound, count) in store.value.sizeHistogram() { lines.add(String(upperBound), UInt64(count)) }
  }

  /// What each class with a page takes and what of it is no item: chunks larger than what is in them, free chunks, and
  /// what a page has left after its last chunk. Bytes. Ours alone; the reference has no such section.
  private func addWaste(_ lines: inout StatLines) {
    let pageByteCount = store.value.slabs.classes.pageByteCount
    var total = 0
    for slabClass in 1..<store.value.slabClassCount {
      let figures = store.value.classFigures(slabClass, now: now)
      guard figures.pageCount > 0 else { continue }
      func add(_ name: StaticString, _ value: Int) { lines.add("\(slabClass):\(name)", UInt64(max(0, value))) }
      let inChunks = (figures.chunkCount - figures.freeCount) * figures.chunkByteCount - figures.byteCount
      let pageRest = figures.pageCount * (pageByteCount - figures.chunksPerPage * figures.chunkByteCount)
      let free = figures.freeCount * figures.chunkByteCount
      add("chunk_size", figures.chunkByteCount)
      add("mem_pages", figures.pageCount * pageByteCount)
      add("mem_requested", figures.byteCount)
      add("mem_wasted_in_chunks", inChunks)
      add("mem_free_chunks", free)
      add("mem_page_rest", pageRest)
      total += max(0, inChunks) + free + pageRest
    }
    lines.add("total_pages_bytes", UInt64(store.value.slabs.pagesInUse * pageByteCount))
    lines.add("total_wasted", UInt64(total))
  }

  private func cacheDump(_ input: RawSpan, _ words: inout Tokenizer) -> [UInt8] {
    guard configuration.permissions.dump else { return Array("CLIENT_ERROR stats cachedump not allowed\r\n".utf8) }
    let classWord = words.next(input)
    let limitWord = words.next(input)
    if limitWord.isEmpty { return Array("CLIENT_ERROR bad command line\r\n".utf8) }
    guard let slabClass = input.unsigned32(classWord), let limit = input.unsigned32(limitWord) else {
      return Array("CLIENT_ERROR bad command line format\r\n".utf8)
    }
    guard slabClass < max(64, store.value.slabClassCount) else { return Array("CLIENT_ERROR Illegal slab id\r\n".utf8) }
    return store.value.cacheDump(slabClass: Int(slabClass), limit: Int(limit))
  }
}
