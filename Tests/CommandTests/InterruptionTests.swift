import Foundation
import Testing

@Suite("interruptions and readers that go away")
struct InterruptionTests {
  let folder = Scratch()

  init() {
    folder.write("D.csv", Table.smooth(rows: 2000).csv())
    folder.run("fit", "D.csv", "--target", "y", "--method", "linear", "-o", "p")
  }

  @Test("a signal during a long fit leaves nothing behind", arguments: zip([SIGINT, SIGTERM], [Int32(130), 143]))
  func interrupt(signal: Int32, exit: Int32) {
    let run = folder.start(
      "fit", "D.csv", "--target", "y", "--hidden", "100,100", "--epochs", "1000000", "--method", "last-layer", "-o", "q"
    )
    usleep(700_000)
    run.interrupt(signal)
    let started = Date()
    let outcome = run.wait()
    #expect(outcome.exit == exit && Date().timeIntervalSince(started) < 5)
    #expect(outcome.stderr.contains("interrupted; nothing was written") && outcome.stdout.isEmpty)
    #expect(folder.files == ["D.csv", "p"])
  }

  @Test("an interrupted --force keeps the old file")
  func interruptForce() {
    let old = folder.bytes("p")
    let run = folder.start(
      "fit", "D.csv", "--target", "y", "--hidden", "100,100", "--epochs", "1000000", "--method", "last-layer", "-o",
      "p",
      "--force")
    usleep(500_000)
    run.interrupt()
    #expect(run.wait().exit == 130 && folder.bytes("p") == old && folder.files == ["D.csv", "p"])
  }

  @Test("a pipe whose reader has gone ends in silence")
  func brokenPipe() {
    let header = "mean,sd,epistemic_sd,aleatoric_sd,q05,q50,q95\n"
    for end in ["", " --json", " -o -"] {
      let outcome = folder.shell("(\"$BNN\" predict p D.csv\(end); echo $? > code) | head -c 46")
      #expect(outcome.stderr.isEmpty)
      #expect(end == " --json" || outcome.stdout == header.prefix(46))
      #expect(folder.text("code") == "0\n")
    }
  }

  @Test("standard streams that are closed")
  func closedStreams() {
    #expect(folder.shell("\"$BNN\" predict p D.csv >&-").exit == 0)
    #expect(folder.shell("\"$BNN\" inspect p --json >&-").exit == 0)
    let update = "fit D.csv --target y --method linear --json"
    #expect(folder.shell("\"$BNN\" \(update) -o q <&- >&- 2>&-").exit == 0)
    #expect(folder.bytes("q") == folder.bytes("p"))
    #expect(folder.shell("\"$BNN\" update p gone.csv -o r <&- >&- 2>&-").exit == 66)
    #expect(folder.files == ["D.csv", "p", "q"])
  }

  @Test("no colours, no progress and no cursor movements where nobody sees them")
  func plain() {
    let outcome = folder.run("update", "p", "D.csv", "-o", "q", "--allow-repeated-data").succeeded()
    let bytes = Array((outcome.stdout + outcome.stderr).utf8)
    #expect(!bytes.contains(0x1B) && !bytes.contains(0x0D))
  }
}
