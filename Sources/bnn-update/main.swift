import BNNCommand

CommandLineTool.run()
