import CZlib
import Foundation

/// The directory of a zip archive, as `numpy.savez` and `savez_compressed` write them: members stored or deflated, with
/// the 64-bit sizes of large ones. Everything it claims is checked against the size of the file before it is used.
///
/// Format: PKWARE, "APPNOTE.TXT – .ZIP File Format Specification" 6.3.10, sections 4.3 to 4.5.
struct ZipArchive {
  struct Entry: Equatable {
    let name: String
    let isDeflated: Bool
    let crc: UInt32
    /// Bytes in the archive and bytes unpacked.
    let packed: Int
    let unpacked: Int
    /// Where the member's own header begins.
    let header: Int
  }

  static let magic: [UInt8] = [0x50, 0x4B, 0x03, 0x04]
  /// The start of an archive without members.
  static let emptyMagic: [UInt8] = [0x50, 0x4B, 0x05, 0x06]
  /// More members than this are no table.
  private static let mostEntries = 100_000

  let input: TableInput
  let entries: [Entry]
  /// Where the directory begins and the members end.
  private let directory: Int

  init(_ input: TableInput) throws(DataError) {
    self.input = input
    let (place, size, count) = try Self.endRecord(input)
    directory = place
    guard count <= Self.mostEntries, count * 46 <= size, size <= 1 << 28 else {
      throw Self.damaged(input, "the directory claims \(count) members in \(size) bytes")
    }
    var reader = LittleEndian(try input.bytes(at: place, count: size))
    var entries: [Entry] = []
    var names: Set<String> = []
    for _ in 0..<count {
      let entry = try Self.entry(&reader, input)
      guard names.insert(entry.name).inserted else {
        throw Self.damaged(input, "two members have the name \"\(excerpt(entry.name.utf8))\"")
      }
      entries.append(entry)
    }
    guard reader.isAtEnd else { throw Self.damaged(input, "the directory is longer than its members") }
    // Members that share bytes are how small archives unpack to petabytes.
    var end = 0
    for entry in entries.sorted(by: { $0.header < $1.header }) {
      let (next, overflow) = entry.header.addingReportingOverflow(30 + entry.name.utf8.count + entry.packed)
      guard entry.header >= end, !overflow, next <= place else {
        throw Self.damaged(input, "the member \"\(excerpt(entry.name.utf8))\" lies outside its place")
      }
      end = next
    }
    self.entries = entries
  }

  /// The unpacked bytes of a member.
  func open(_ entry: Entry) throws(DataError) -> ZipMember {
    var local = LittleEndian(try input.bytes(at: entry.header, count: 30))
    guard local.number(4) == 0x0403_4B50 else { throw Self.damaged(input, "a member has no header") }
    local.skip(22)
    guard let nameLength = local.number(2), let extraLength = local.number(2) else {
      throw Self.damaged(input, "a member's header is cut off")
    }
    let name = try input.bytes(at: entry.header + 30, count: nameLength)
    let start = entry.header + 30 + nameLength + extraLength
    guard name == Array(entry.name.utf8), start + entry.packed <= directory else {
      throw Self.damaged(input, "the header of the member \"\(excerpt(entry.name.utf8))\" contradicts the directory")
    }
    return try ZipMember(input: input, entry: entry, start: start)
  }

  static func damaged(_ input: TableInput, _ what: String) -> DataError {
    DataError(
      .badData, "the zip archive is damaged: \(what)", file: input.file,
      remedy: "fetch the file again, or write it with numpy.savez")
  }

  /// Place, size and member count of the directory, from the record at the end of the file.
  private static func endRecord(_ input: TableInput) throws(DataError) -> (place: Int, size: Int, count: Int) {
    // 22 bytes and a comment of at most 65,535.
    let length = min(input.size, 22 + 65_535)
    let tail = try input.bytes(at: input.size - length, count: length)
    let signature: [UInt8] = [0x50, 0x4B, 0x05, 0x06]
    guard
      let offset = stride(from: length - 22, through: 0, by: -1).first(where: {
        tail[$0..<$0 + 4].elementsEqual(signature)
      })
    else { throw damaged(input, "its end is missing") }
    var end = LittleEndian(Array(tail[(offset + 4)...]))
    let (disk, directoryDisk) = (end.number(2), end.number(2))
    end.skip(2)
    guard var count = end.number(2), var size = end.number(4), var place = end.number(4), let comment = end.number(2),
      offset + 22 + comment == length
    else { throw damaged(input, "its end is cut off") }
    var limit = input.size - length + offset
    if count == 0xFFFF || size == 0xFFFF_FFFF || place == 0xFFFF_FFFF {
      guard limit >= 20 else { throw damaged(input, "its end is cut off") }
      var locator = LittleEndian(try input.bytes(at: limit - 20, count: 20))
      guard locator.number(4) == 0x0706_4B50, locator.number(4) == 0, let record = locator.number(8),
        record <= limit - 20 - 56
      else { throw damaged(input, "the record of 64-bit sizes is missing") }
      var large = LittleEndian(try input.bytes(at: record, count: 56))
      guard large.number(4) == 0x0606_4B50 else { throw damaged(input, "the record of 64-bit sizes is missing") }
      large.skip(28)
      guard let own = large.number(8), let ownSize = large.number(8), let ownPlace = large.number(8) else {
        throw damaged(input, "the record of 64-bit sizes is cut off")
      }
      (count, size, place, limit) = (own, ownSize, ownPlace, record)
    } else if disk != 0 || directoryDisk != 0 {
      throw damaged(input, "it is one part of several")
    }
    guard place <= limit, size <= limit - place else {
      throw damaged(input, "its directory lies outside the file; it may be cut off")
    }
    return (place, size, count)
  }

  private static func entry(_ reader: inout LittleEndian, _ input: TableInput) throws(DataError) -> Entry {
    let cutOff = damaged(input, "its directory is cut off")
    guard reader.number(4) == 0x0201_4B50, reader.number(4) != nil, let flags = reader.number(2),
      let method = reader.number(2), reader.number(4) != nil, let crc = reader.number(4), var packed = reader.number(4),
      var unpacked = reader.number(4), let nameLength = reader.number(2), let extraLength = reader.number(2),
      let commentLength = reader.number(2), reader.number(8) != nil, var header = reader.number(4),
      let nameBytes = reader.bytes(nameLength), let extra = reader.bytes(extraLength),
      reader.bytes(commentLength) != nil
    else { throw cutOff }
    guard let name = String(validating: nameBytes, as: UTF8.self) else {
      throw damaged(input, "the name \"\(excerpt(nameBytes))\" is not text in UTF-8")
    }
    // 64-bit values stand in an extra field, only those that do not fit, in this order.
    var field = LittleEndian(extra)
    while let tag = field.number(2), let length = field.number(2), let content = field.bytes(length) {
      guard tag == 1 else { continue }
      var values = LittleEndian(content)
      if unpacked == 0xFFFF_FFFF { unpacked = values.number(8) ?? -1 }
      if packed == 0xFFFF_FFFF { packed = values.number(8) ?? -1 }
      if header == 0xFFFF_FFFF { header = values.number(8) ?? -1 }
    }
    guard packed >= 0, unpacked >= 0, header >= 0, header < input.size else { throw cutOff }
    guard flags & 1 == 0 else {
      throw DataError(
        .badData, "the member \"\(excerpt(name.utf8))\" is encrypted", file: input.file, remedy: "unpack it first")
    }
    guard method == 0 || method == 8 else {
      throw DataError(
        .badData, "the member \"\(excerpt(name.utf8))\" is packed by method \(method), which is unknown",
        file: input.file, remedy: "write it with numpy.savez or numpy.savez_compressed")
    }
    guard method == 8 || packed == unpacked else {
      throw damaged(input, "the sizes of the member \"\(excerpt(name.utf8))\" contradict each other")
    }
    return Entry(
      name: name, isDeflated: method == 8, crc: UInt32(crc), packed: packed, unpacked: unpacked, header: header)
  }
}

/// Integers of a file's records, least byte first; nil beyond the end.
struct LittleEndian {
  private let content: [UInt8]
  private var position = 0

  init(_ content: [UInt8]) { self.content = content }

  var isAtEnd: Bool { position == content.count }

  mutating func bytes(_ count: Int) -> [UInt8]? {
    guard count <= content.count - position else { return nil }
    defer { position += count }
    return Array(content[position..<position + count])
  }

  /// A number of at most eight bytes; nil too if it is no `Int`.
  mutating func number(_ count: Int) -> Int? {
    bytes(count).flatMap { own in Int(exactly: own.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }) }
  }

  mutating func skip(_ count: Int) { position = min(content.count, position + count) }
}

extension TableInput {
  /// Bytes from anywhere in the file; all of them must be there.
  func bytes(at offset: Int, count: Int) throws(DataError) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: max(0, count))
    let got = try result.withUnsafeMutableBufferPointer { target throws(DataError) in
      try read(into: UnsafeMutableRawBufferPointer(target), at: offset)
    }
    guard offset >= 0, got == count else { throw ZipArchive.damaged(self, "it is cut off") }
    return result
  }

  /// Reads until `target` is full or the file ends; returns how many bytes.
  func read(into target: UnsafeMutableRawBufferPointer, at offset: Int) throws(DataError) -> Int {
    var done = 0
    while done < target.count {
      let count = pread(descriptor, target.baseAddress! + done, target.count - done, offset + done)
      if count < 0, errno == EINTR { continue }
      if count < 0 { throw InputFile.failure(errno, file: file) }
      if count == 0 { break }
      done += count
    }
    return done
  }
}
