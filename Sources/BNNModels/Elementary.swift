/// log 2π.
let logTwoPi = 1.837_877_066_409_345_3
