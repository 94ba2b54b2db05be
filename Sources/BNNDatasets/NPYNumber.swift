/// The types of number an array may hold, in either byte order.
struct NPYNumber: Equatable {
  private enum Form: String, CaseIterable {
    case f8, f4, i1, i2, i4, i8, u1, u2, u4, u8, b1
  }

  private let form: Form
  private let isBigEndian: Bool
  /// Bytes of one number.
  let size: Int

  /// The type of NumPy's name, as "<f8"; nil if it is none of these.
  init?(_ name: String) {
    guard let order = name.first, "<>|=".contains(order), let form = Form(rawValue: String(name.dropFirst())) else {
      return nil
    }
    self.form = form
    isBigEndian = order == ">"
    switch form {
    case .f8, .i8, .u8: size = 8
    case .f4, .i4, .u4: size = 4
    case .i2, .u2: size = 2
    case .i1, .u1, .b1: size = 1
    }
  }

  /// Whether the bytes are doubles as this machine has them.
  var isNativeDouble: Bool { form == .f8 && isBigEndian == (UInt16(bigEndian: 1) == 1) }

  /// The number at a byte offset; nil if no double equals it, as for large 64-bit integers.
  func double(in bytes: UnsafeRawBufferPointer, at offset: Int) -> Double? {
    switch form {
    case .f8: Double(bitPattern: integer(bytes, offset, UInt64.self))
    case .f4: Double(Float(bitPattern: integer(bytes, offset, UInt32.self)))
    case .i1: Double(integer(bytes, offset, Int8.self))
    case .i2: Double(integer(bytes, offset, Int16.self))
    case .i4: Double(integer(bytes, offset, Int32.self))
    case .i8: Double(exactly: integer(bytes, offset, Int64.self))
    case .u1: Double(integer(bytes, offset, UInt8.self))
    case .u2: Double(integer(bytes, offset, UInt16.self))
    case .u4: Double(integer(bytes, offset, UInt32.self))
    case .u8: Double(exactly: integer(bytes, offset, UInt64.self))
    case .b1: integer(bytes, offset, UInt8.self) == 0 ? 0 : 1
    }
  }

  /// Neighbouring numbers from a byte offset on as doubles; false if one is not finite or no double equals it.
  func doubles(
    in bytes: UnsafeRawBufferPointer, at offset: Int, to target: UnsafeMutableBufferPointer<Double>
  ) -> Bool {
    // The type is told apart outside the loops, each of which is then one of few instructions.
    switch form {
    case .u1: fill(target, bytes, offset, UInt8.self) { Double($0) }
    case .i1: fill(target, bytes, offset, Int8.self) { Double($0) }
    case .u2: fill(target, bytes, offset, UInt16.self) { Double($0) }
    case .i2: fill(target, bytes, offset, Int16.self) { Double($0) }
    case .u4: fill(target, bytes, offset, UInt32.self) { Double($0) }
    case .i4: fill(target, bytes, offset, Int32.self) { Double($0) }
    case .f4: fill(target, bytes, offset, UInt32.self) { Double(Float(bitPattern: $0)) }
    case .f8: fill(target, bytes, offset, UInt64.self) { Double(bitPattern: $0) }
    case .b1: fill(target, bytes, offset, UInt8.self) { $0 == 0 ? 0 : 1 }
    case .i8, .u8:
      for i in target.indices {
        guard let number = double(in: bytes, at: offset + i * size) else { return false }
        target[i] = number
      }
      return true
    }
    guard form == .f4 || form == .f8 else { return true }
    // 0·x is 0 for every finite x and NaN otherwise.
    var sums = SIMD8<Double>.zero
    let values = UnsafeRawBufferPointer(target)
    let whole = target.count / 8 * 8
    for i in stride(from: 0, to: whole, by: 8) {
      sums += values.loadUnaligned(fromByteOffset: i * MemoryLayout<Double>.stride, as: SIMD8<Double>.self) * 0
    }
    return target[whole...].reduce(sums.sum()) { $0 + $1 * 0 } == 0
  }

  @inline(__always)
  private func fill<I: FixedWidthInteger & BitwiseCopyable>(
    _ target: UnsafeMutableBufferPointer<Double>, _ bytes: UnsafeRawBufferPointer, _ offset: Int, _: I.Type,
    _ double: (I) -> Double
  ) {
    let own = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + target.count * MemoryLayout<I>.size])
    if isBigEndian == (I(bigEndian: 1) == 1) {
      for i in target.indices {
        target[i] = double(own.loadUnaligned(fromByteOffset: i * MemoryLayout<I>.size, as: I.self))
      }
    } else {
      for i in target.indices {
        target[i] = double(own.loadUnaligned(fromByteOffset: i * MemoryLayout<I>.size, as: I.self).byteSwapped)
      }
    }
  }

  /// The number as it is written, for a message.
  func text(in bytes: UnsafeRawBufferPointer, at offset: Int) -> String {
    switch form {
    case .i8: "\(integer(bytes, offset, Int64.self))"
    case .u8: "\(integer(bytes, offset, UInt64.self))"
    case .f8, .f4: double(in: bytes, at: offset).map { "\($0)" } ?? ""
    case .i1, .i2, .i4, .u1, .u2, .u4, .b1: double(in: bytes, at: offset).map { "\(Int($0))" } ?? ""
    }
  }

  @inline(__always)
  private func integer<I: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, _ offset: Int, _: I.Type
  ) -> I {
    let raw = bytes.loadUnaligned(fromByteOffset: offset, as: I.self)
    return isBigEndian ? I(bigEndian: raw) : I(littleEndian: raw)
  }
}
