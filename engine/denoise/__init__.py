"""From noise in a canvas's holes to tokens: the canvas, the loop, the order, the sampler."""
