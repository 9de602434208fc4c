// swift-tools-version: 6.3
// The package: one hot module (CacheCore), thin modules around it, one executable that serves and one that measures.
// Imports go downwards only: swiftcached -> Server -> {CacheCore, Events, Options, TLS} (Docs/architecture.md).
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableExperimentalFeature("Lifetimes"),
]
// Tests call C clients and Foundation, so they keep the warnings rule but not the strict memory safety one.
let testing: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]

// Tests/Fuzz is a test that replays the kept inputs. `make fuzz` sets SWIFTCACHED_FUZZ: then the same functions are a
// program for libFuzzer, whose library brings the main. No other build needs that library.
let fuzz: Target =
  Context.environment["SWIFTCACHED_FUZZ"] == nil
  ? .testTarget(
    name: "FuzzCorpusTests", dependencies: ["CacheCore"], path: "Tests/Fuzz",
    exclude: ["Corpus", "Dictionaries", "LibFuzzer.swift"], swiftSettings: testing)
  : .executableTarget(
    name: "Fuzz", dependencies: ["CacheCore"], path: "Tests/Fuzz",
    exclude: ["Corpus", "Dictionaries", "FuzzCorpusTests.swift", "Mutator.swift"], swiftSettings: testing)

let package = Package(
  name: "swiftcached",
  products: [
    .executable(name: "swiftcached", targets: ["swiftcached"]),
    .executable(name: "swiftcached-bench", targets: ["Bench"]),
  ],
  targets: [
    .systemLibrary(name: "CLibevent", pkgConfig: "libevent_core", providers: [.apt(["libevent-dev"])]),
    .systemLibrary(name: "CSystem"),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CSASL", pkgConfig: "libsasl2", providers: [.apt(["libsasl2-dev"])]),
    .target(name: "CacheCore", dependencies: ["CSystem"], swiftSettings: strict),
    .target(name: "Options", swiftSettings: strict),
    .target(name: "Events", dependencies: ["CLibevent", "CSASL", "CSystem", "CacheCore"], swiftSettings: strict),
    .target(name: "TLS", dependencies: ["COpenSSL", "CacheCore", "Events"], swiftSettings: strict),
    .target(name: "Server", dependencies: ["CacheCore", "Events", "Options", "TLS"], swiftSettings: strict),
    .executableTarget(name: "swiftcached", dependencies: ["Server", "Options"], swiftSettings: strict),
    .executableTarget(name: "Bench", dependencies: ["Events"], swiftSettings: strict),

    .systemLibrary(
      name: "CLibmemcached", path: "Tests/CLibmemcached", pkgConfig: "libmemcached",
      providers: [.apt(["libmemcached-dev"])]),
    .target(name: "TestSupport", path: "Tests/Support", swiftSettings: testing),
    .target(name: "InProcess", dependencies: ["CacheCore"], path: "Tests/InProcess", swiftSettings: testing),
    .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
    .testTarget(
      name: "CacheCoreTests", dependencies: ["CacheCore", "InProcess", "TestSupport", "CAllocationCounter"],
      swiftSettings: testing),
    .testTarget(name: "OptionsTests", dependencies: ["Options"], swiftSettings: testing),
    .testTarget(name: "BenchTests", dependencies: ["Bench"], swiftSettings: testing),
    .testTarget(name: "ServerTests", dependencies: ["TestSupport", "swiftcached"], swiftSettings: testing),
    .testTarget(
      name: "LibmemcachedTests", dependencies: ["CLibmemcached", "TestSupport", "swiftcached"], swiftSettings: testing),
    .testTarget(
      name: "ConformanceTests", dependencies: ["InProcess", "Options", "Server", "TestSupport", "swiftcached"],
      swiftSettings: testing),
    .testTarget(name: "TidyTests", dependencies: ["TestSupport"], swiftSettings: testing),
    fuzz,
  ]
)
