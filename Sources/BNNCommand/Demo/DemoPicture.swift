import BNNPosteriorFile
import Foundation

/// The demo's picture: predictions and 90 % bands on the test rows before and after the update, drawn by gnuplot.
struct DemoPicture {
  /// A series of test rows: year, value, mean, lower and upper end of the band.
  struct Panel {
    let title: String
    let points: [(year: Double, value: Double, mean: Double, low: Double, high: Double)]
  }

  let panels: [Panel]
  let border: Double

  /// Writes the data and the script beside the picture, so that it can be redrawn, and runs gnuplot.
  ///
  /// - Returns: nil when the picture was drawn, else why not.
  func draw(in folder: String, replacing: Bool) throws -> String? {
    for (index, panel) in panels.enumerated() {
      let lines = panel.points.map { "\($0.year) \($0.value) \($0.mean) \($0.low) \($0.high)" }
      try AtomicFile.write(
        Array((lines.joined(separator: "\n") + "\n").utf8), to: "\(folder)/panel-\(index + 1).dat", replacing: replacing
      )
    }
    try AtomicFile.write(Array(script.utf8), to: "\(folder)/demo.gnuplot", replacing: replacing)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gnuplot", "demo.gnuplot"]
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    switch process.terminationStatus {
    case 0: return nil
    case 127: return "gnuplot is not installed"
    default: return "gnuplot ended with status \(process.terminationStatus)"
    }
  }

  private var script: String {
    let plots = panels.indices.map { index in
      """
      set title "\(panels[index].title)"
      plot "panel-\(index + 1).dat" using 1:4:5 with filledcurves fc rgb "#9ecae1" title "90 % band", \\
           "" using 1:3 with lines lw 1.6 lc rgb "#08519c" title "prediction", \\
           "" using 1:2 with points pt 7 ps 0.22 lc rgb "#d94801" title "measured (test rows)"
      """
    }
    return """
      set terminal svg size 900,\(300 * panels.count) font "sans,13" background rgb "white"
      set output "demo.svg"
      set multiplot layout \(panels.count),1
      set key top left
      set xlabel "year"
      set ylabel "CO_2 (ppm)"
      set xrange [1980:2002.5]
      set yrange [330:385]
      set grid lc rgb "#e0e0e0"
      set arrow from \(border),330 to \(border),385 nohead dt 2 lc rgb "#636363"
      set label "D2 begins" at \(border + 0.2),333 textcolor rgb "#636363"
      \(plots.joined(separator: "\n"))
      unset multiplot

      """
  }
}
