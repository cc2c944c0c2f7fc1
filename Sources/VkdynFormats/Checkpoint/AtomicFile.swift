#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Writes a file as a whole or not at all: into a temporary file beside it, then renamed over it.
public struct AtomicFile: ~Copyable {
    private let path: String
    private let temporaryPath: String
    private var descriptor: Int32

    /// Creates the temporary file; throws when the folder cannot be written.
    public init(path: String) throws(FormatError) {
        self.path = path
        temporaryPath = "\(path).\(getpid())-\(UInt32.random(in: 0 ... .max)).tmp"
        descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        if descriptor < 0 { throw FormatError(file: path, problem: writeProblem(errno)) }
    }

    /// Appends bytes; throws when the disk is full or fails.
    public mutating func write(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            #if canImport(Darwin)
            let written = Darwin.write(descriptor, part.baseAddress, part.count)
            #elseif canImport(Musl)
            let written = Musl.write(descriptor, part.baseAddress, part.count)
            #else
            let written = Glibc.write(descriptor, part.baseAddress, part.count)
            #endif
            if written < 0 {
                if errno == EINTR { continue }
                throw FormatError(file: path, problem: writeProblem(errno))
            }
            rest = rest.dropFirst(written)
        }
    }

    /// Makes the contents durable and puts the file in its place.
    public consuming func commit() throws(FormatError) {
        if fsync(descriptor) != 0 { throw FormatError(file: path, problem: writeProblem(errno)) }
        let closed = close(descriptor)
        descriptor = -1
        if closed != 0 { throw FormatError(file: path, problem: writeProblem(errno)) }
        if rename(temporaryPath, path) != 0 { throw FormatError(file: path, problem: writeProblem(errno)) }
    }

    /// Removes the temporary file unless `commit()` has put it in its place.
    deinit {
        if descriptor >= 0 { close(descriptor) }
        unlink(temporaryPath)
    }
}
