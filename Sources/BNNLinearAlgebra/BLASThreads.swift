import COpenBLAS
import Dispatch

/// How this build of OpenBLAS runs its threads, and the rule that keeps results independent of them.
///
/// OpenBLAS gives other bits with other thread counts, so this library runs it single-threaded and parallelises over
/// chunks of fixed size itself. **Effect on the host process:** with the pthreads build (`parallel == 1`) the first use
/// calls `openblas_set_num_threads(1)` for the whole process; with the OpenMP build (`2`) the setting belongs to each
/// thread and every worker makes it for itself; the serial build (`0`) is not safe to call from two threads at once
/// (wrong results were measured), so work stays on one thread.
public enum BLASThreads {
  /// `openblas_get_parallel()`: 0 serial, 1 pthreads, 2 OpenMP.
  public static let build: Int = Int(openblas_get_parallel())

  private static let setOnce: Void = openblas_set_num_threads(1)

  /// Makes BLAS single-threaded for the calling thread. Cheap; called at every door that leads to BLAS.
  public static func prepare() {
    if build == 2 { openblas_set_num_threads(1) } else { _ = setOnce }
  }

  /// Ends the worker threads that OpenBLAS starts when it is loaded (one fewer than there are cores), which otherwise
  /// burn some 25 ms of processor time each, waiting for work that never comes, before they fall asleep. For a process
  /// that is ours: a host that uses OpenBLAS with threads itself must keep them.
  package static func endIdleWorkers() {
    guard build == 1 else { return }
    // First, since setting a number of threads starts them anew.
    prepare()
    bnn_end_blas_workers()
  }

  /// The number of workers that may call BLAS at once, at most `requested`.
  public static func workers(_ requested: Int) -> Int { build == 0 ? 1 : max(1, requested) }
}

/// `count` independent pieces of work over at most `threads` workers; results in the order of the pieces, so that what
/// is reduced from them does not depend on `threads`.
///
/// - Throws: the error of the lowest-numbered piece that failed.
package func parallelMap<T: Sendable>(
  _ count: Int, threads: Int, _ body: @Sendable (Int) throws -> T
) throws -> [T] {
  let workers = min(BLASThreads.workers(threads), count)
  guard workers > 1 else {
    BLASThreads.prepare()
    return try (0..<count).map(body)
  }
  let slots = UnsafeMutableBufferPointer<Result<T, any Error>?>.allocate(capacity: count)
  slots.initialize(repeating: nil)
  defer {
    slots.deinitialize()
    slots.deallocate()
  }
  // Each worker writes only the slots of its own stride, and the buffer is read after all have ended.
  nonisolated(unsafe) let results = slots
  DispatchQueue.concurrentPerform(iterations: workers) { worker in
    BLASThreads.prepare()
    for piece in stride(from: worker, to: count, by: workers) {
      results[piece] = Result { try body(piece) }
    }
  }
  return try slots.compactMap { try $0?.get() }
}

/// `parallelMap` for work that cannot fail.
package func parallelMap<T: Sendable>(_ count: Int, threads: Int, _ body: @Sendable (Int) -> T) -> [T] {
  let throwing: @Sendable (Int) throws -> T = { body($0) }
  return (try? parallelMap(count, threads: threads, throwing)) ?? []
}
