/// What the header says about one tensor. Fields are checked one by one here, their layout by the reader.
struct TensorEntry {
  static let metadataName = "__metadata__"

  enum Dtype {
    case f64
    case f32
    /// Read only where a caller asks for the types that other programs write.
    case f16
    case bf16
    case i64

    /// Compares bytes: `String.==` would normalize a name of any length that the file may give.
    init?(name: String, widening: Bool) {
      if name.utf8.elementsEqual("F64".utf8) {
        self = .f64
      } else if name.utf8.elementsEqual("F32".utf8) {
        self = .f32
      } else if widening, name.utf8.elementsEqual("F16".utf8) {
        self = .f16
      } else if widening, name.utf8.elementsEqual("BF16".utf8) {
        self = .bf16
      } else if widening, name.utf8.elementsEqual("I64".utf8) {
        self = .i64
      } else {
        return nil
      }
    }

    var itemSize: Int {
      switch self {
      case .f64: MemoryLayout<Double>.size
      case .f32: MemoryLayout<Float>.size
      case .f16, .bf16: MemoryLayout<UInt16>.size
      case .i64: MemoryLayout<Int64>.size
      }
    }
  }

  let name: String
  let dtype: Dtype
  let shape: [Int]
  let elementCount: Int
  let begin: Int
  let end: Int

  /// Cannot overflow: `Tensor.elementCount` has checked the product with the larger of the item sizes.
  var byteCount: Int { elementCount * dtype.itemSize }

  init(_ member: StrictJSON.Member, widening: Bool) throws(SafetensorsError) {
    let name = member.name
    guard case .object = member.value else { throw .entryNotAnObject(tensor: name) }
    func field(_ key: String) throws(SafetensorsError) -> StrictJSON.Value {
      guard let value = member.value[key] else { throw .missingField(tensor: name, field: key) }
      return value
    }

    guard case .string(let dtypeName) = try field("dtype") else { throw .dtypeNotAString(tensor: name) }
    guard let dtype = Dtype(name: dtypeName, widening: widening) else {
      throw .unsupportedDtype(tensor: name, dtype: dtypeName)
    }

    guard case .array(let extents) = try field("shape") else { throw .shapeNotAnArray(tensor: name) }
    var shape: [Int] = []
    shape.reserveCapacity(extents.count)
    for extent in extents {
      guard let count = wholeNumber(extent) else { throw .invalidExtent(tensor: name, found: summary(extent)) }
      shape.append(count)
    }
    guard let elementCount = Tensor.elementCount(of: shape) else { throw .shapeTooLarge(tensor: name) }

    guard case .array(let pair) = try field("data_offsets"), pair.count == 2 else {
      throw .offsetsNotAPair(tensor: name)
    }
    guard let begin = wholeNumber(pair[0]) else { throw .invalidOffset(tensor: name, found: summary(pair[0])) }
    guard let end = wholeNumber(pair[1]) else { throw .invalidOffset(tensor: name, found: summary(pair[1])) }

    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.elementCount = elementCount
    self.begin = begin
    self.end = end
  }

  /// The tensor, copied out of the file's data, which the caller has checked to contain it.
  func tensor(in data: UnsafeRawBufferPointer) -> Tensor {
    let source = UnsafeRawBufferPointer(rebasing: data[begin..<end])
    let values = [Double](unsafeUninitializedCapacity: elementCount) { buffer, initializedCount in
      switch dtype {
      case .f64:
        UnsafeMutableRawBufferPointer(buffer).copyMemory(from: source)
      case .f32:
        for index in 0..<elementCount {
          let value = source.loadUnaligned(fromByteOffset: index * MemoryLayout<Float>.size, as: Float.self)
          buffer.initializeElement(at: index, to: Double(value))
        }
      case .f16, .bf16:
        for index in 0..<elementCount {
          let bits = source.loadUnaligned(fromByteOffset: index * MemoryLayout<UInt16>.size, as: UInt16.self)
          let value = dtype == .f16 ? half(bits) : Double(Float(bitPattern: UInt32(bits) << 16))
          buffer.initializeElement(at: index, to: value)
        }
      case .i64:
        for index in 0..<elementCount {
          let value = source.loadUnaligned(fromByteOffset: index * MemoryLayout<Int64>.size, as: Int64.self)
          buffer.initializeElement(at: index, to: Double(value))
        }
      }
      initializedCount = elementCount
    }
    return Tensor(name: name, shape: shape, values: values)
  }
}

/// IEEE 754 binary16, exactly.
private func half(_ bits: UInt16) -> Double {
  let (exponent, fraction) = (Int(bits >> 10 & 31), Double(bits & 1023))
  let magnitude: Double =
    switch exponent {
    case 0: fraction * 0x1p-24
    case 31: fraction == 0 ? .infinity : .nan
    default: Double(sign: .plus, exponent: exponent - 15, significand: 1 + fraction * 0x1p-10)
    }
  return bits >> 15 == 0 ? magnitude : -magnitude
}

/// The number if it is written with digits only and fits: JSON would let `-1`, `2.0` and `8e0` pass as well.
private func wholeNumber(_ value: StrictJSON.Value) -> Int? {
  guard case .number(let text) = value, text.utf8.allSatisfy(ASCII.digits.contains) else { return nil }
  return Int(text)
}

private func summary(_ value: StrictJSON.Value) -> String {
  switch value {
  case .object: "an object"
  case .array: "an array"
  case .string(let text): text
  case .number(let text): text
  case .bool(let value): value ? "true" : "false"
  case .null: "null"
  }
}
