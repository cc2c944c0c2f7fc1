// Encoding and decoding of arbitrary text and ids.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzText(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    FuzzTargets.text(UnsafeRawBufferPointer(start: data, count: size))
    return 0
}
