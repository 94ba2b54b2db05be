/// `import BNN`: posteriors over the weights of a network or a linear model, updated with new data only.
///
/// Start at `Posterior`: `Posterior.linear` and `Posterior.network` make one from D1, `SequentialUpdate` absorbs D2,
/// `Posterior.predict` and `Posterior.scores` use it, `PosteriorFile` keeps it.
@_exported import BNNDatasets
@_exported import BNNInference
@_exported import BNNLinearAlgebra
@_exported import BNNModels
@_exported import BNNPosteriorFile
@_exported import BNNPosteriors
@_exported import BNNProbability
