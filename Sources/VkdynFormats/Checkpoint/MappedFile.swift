#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A file mapped read-only into memory; the mapping ends with the last reference.
///
/// The file must not be made shorter while it is mapped: the operating system then ends the process on the
/// next access. Replacing a file by renaming another over it is safe.
public final class MappedFile: Sendable {
    /// Path of the file as given.
    public let path: String
    /// The contents; valid only while something keeps this object alive. Prefer `withUnsafeBytes`.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: address.pointer, count: byteCount) }
    /// Size of the file in bytes.
    public let byteCount: Int

    private let address: MappedAddress

    /// Maps the file at `path`; throws when it does not exist, cannot be read, or is not a regular file.
    public init(path: String) throws(FormatError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 { throw FormatError(file: path, problem: readProblem(errno)) }
        defer { close(descriptor) }
        var status = stat()
        if fstat(descriptor, &status) != 0 { throw FormatError(file: path, problem: readProblem(errno)) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw FormatError(file: path, problem: "is a folder; expected a file")
        default: throw FormatError(file: path, problem: "is not a regular file")
        }
        guard let count = Int(exactly: status.st_size), count >= 0 else {
            throw FormatError(file: path, problem: "is too large to be mapped")
        }
        self.path = path
        byteCount = count
        if count == 0 {
            address = MappedAddress(pointer: nil)
            return
        }
        let pointer = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0)
        if pointer == MAP_FAILED { throw FormatError(file: path, problem: readProblem(errno)) }
        address = MappedAddress(pointer: pointer)
    }

    /// Memory without a file, under a name for messages.
    init(named path: String, byteCount: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) throws(FormatError) {
        self.path = path
        self.byteCount = byteCount
        if byteCount == 0 {
            address = MappedAddress(pointer: nil)
            return
        }
        let pointer = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if pointer == MAP_FAILED { throw FormatError(file: path, problem: "no memory left for \(byteCount) bytes") }
        fill(UnsafeMutableRawBufferPointer(start: pointer, count: byteCount))
        address = MappedAddress(pointer: pointer)
    }

    /// Calls `body` with the contents, which stay mapped until it returns.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(bytes)
    }

    deinit {
        if let pointer = address.pointer { munmap(UnsafeMutableRawPointer(mutating: pointer), byteCount) }
    }
}

/// The start of a read-only mapping: nothing writes through it, so threads may share it.
private struct MappedAddress: @unchecked Sendable {
    let pointer: UnsafeRawPointer?

    init(pointer: UnsafeMutableRawPointer?) { self.pointer = UnsafeRawPointer(pointer) }
}

/// What the error number of a failed open or read means to a user.
func readProblem(_ code: Int32) -> String {
    switch code {
    case ENOENT, ENOTDIR: "no such file"
    case EACCES, EPERM: "no permission to read it"
    default: "cannot be read: \(String(cString: strerror(code)))"
    }
}

/// What the error number of a failed write means to a user.
func writeProblem(_ code: Int32) -> String {
    switch code {
    case ENOENT, ENOTDIR: "its folder does not exist"
    case EACCES, EPERM, EROFS: "no permission to write it"
    case ENOSPC, EDQUOT: "no space left on the disk"
    default: "cannot be written: \(String(cString: strerror(code)))"
    }
}

/// What is at a path.
enum PathKind {
    case file, folder, absent

    init(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            // A path that exists but cannot be inspected is a file whose opening explains why.
            self = errno == ENOENT || errno == ENOTDIR ? .absent : .file
            return
        }
        self = status.st_mode & S_IFMT == S_IFDIR ? .folder : .file
    }
}

/// `folder/name`, without doubling a slash.
func joinPath(_ folder: String, _ name: String) -> String {
    folder.utf8.last == UInt8(ascii: "/") ? folder + name : folder + "/" + name
}
