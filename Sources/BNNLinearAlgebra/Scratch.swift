/// A buffer for the time of a call.
@inlinable @inline(__always) public func withScratch<T, Result>(
  _ type: T.Type, _ count: Int, _ body: (UnsafeMutablePointer<T>) throws -> Result
) rethrows -> Result {
  try withUnsafeTemporaryAllocation(of: type, capacity: max(1, count)) { buffer in
    guard let base = buffer.baseAddress else { preconditionFailure("a buffer of one element has an address") }
    return try body(base)
  }
}
