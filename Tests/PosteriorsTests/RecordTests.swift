import BNNPosteriors
import Foundation
import Testing

/// The records that a file keeps: keys in snake_case, equal after a round trip.
@Suite struct RecordTests {
  private func roundTrip<T: Codable & Equatable>(_ value: T) throws -> [String: Any] {
    let data = try JSONEncoder().encode(value)
    #expect(try JSONDecoder().decode(T.self, from: data) == value)
    return try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  @Test(arguments: [
    (Certificate.Update.exact, "exact"), (.approximate, "approximate"), (.reconstructed, "reconstructed"),
  ])
  func certificate(_ update: Certificate.Update, _ word: String) throws {
    let conditions = [Certificate.Condition("features", fixedBy: 1), .init("hyper-parameters", fixedBy: nil)]
    let object = try roundTrip(Certificate(update: update, conditionalOn: conditions, reasons: ["a reason"]))
    #expect(Set(object.keys) == ["update", "conditional_on", "reasons"])
    #expect(object["update"] as? String == word)
    let written = try #require(object["conditional_on"] as? [[String: Any]])
    #expect(written.map { $0["what"] as? String } == ["features", "hyper-parameters"])
    #expect(Set(written[0].keys) == ["what", "fixed_by"])
    #expect(written[0]["fixed_by"] as? Int == 1)
    #expect(written[1]["fixed_by"] == nil || written[1]["fixed_by"] is NSNull)
  }

  @Test func lineageEntry() throws {
    var entry = LineageEntry(
      number: 2, action: "update", rows: 7, rowDigest: String(repeating: "0f", count: 16), method: "linear",
      settings: ["threads_independent": "yes"], logEvidence: -1.25, seed: .max, version: "0.1", parent: "abc",
      label: "spring", timeRange: ["2011-01-01", "2011-12-31"])
    let object = try roundTrip(entry)
    #expect(
      Set(object.keys) == [
        "drift", "number", "action", "rows", "row_digest", "method", "settings", "log_evidence", "seed", "version",
        "parent",
        "label", "information_gain", "subspace_share", "time_range",
      ])
    #expect(object["log_evidence"] as? Double == -1.25)
    #expect((object["seed"] as? NSNumber)?.uint64Value == .max)
    (entry.logEvidence, entry.parent, entry.label, entry.timeRange) = (nil, nil, nil, nil)
    _ = try roundTrip(entry)
  }

  @Test func unknownUpdatesAreRefused() {
    let text = #"{"update": "perfect", "conditional_on": [], "reasons": []}"#
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(Certificate.self, from: Data(text.utf8)) }
  }
}
