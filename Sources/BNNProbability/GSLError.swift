import CGSL

/// A special function, quantile or root that GSL could not compute.
public struct GSLError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Which function, with its arguments.
  public let function: String
  /// GSL's words for the status.
  public let reason: String

  public var description: String { "\(function): \(reason)" }

  init(_ function: String, status: Int32) {
    self.function = function
    reason = String(cString: gsl_strerror(status))
  }

  init(_ function: String, reason: String) {
    self.function = function
    self.reason = reason
  }
}

/// The one door to GSL. Its default error handler aborts the process; it is switched off before the first call, after
/// which the plain functions return 0 in silence on a domain error, so only the `_e` forms with a status are called.
///
/// **Effect on the host process:** GSL's error handler is process-global; a program that needs its own sets it after the
/// first use of this library.
enum GSL {
  private static let quiet: Void = bnn_gsl_disable_abort()

  static func prepare() { _ = quiet }

  static func value(
    _ name: @autoclosure () -> String, _ body: (UnsafeMutablePointer<gsl_sf_result>) -> Int32
  ) throws(GSLError) -> Double {
    prepare()
    var result = gsl_sf_result(val: 0, err: 0)
    let status = body(&result)
    guard Int(status) == GSL_SUCCESS, result.val.isFinite else {
      throw GSLError(name(), status: status == 0 ? Int32(GSL_ERANGE) : status)
    }
    return result.val
  }
}
