// The safetensors header parser, and what reads the tensors that it lets through.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSafetensors(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    FuzzTargets.safetensors(UnsafeRawBufferPointer(start: data, count: size))
    return 0
}
