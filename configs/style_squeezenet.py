# sketchkit stylize CONTENT STYLE -o OUT --config configs/style_squeezenet.py
# A course's notebook (Stanford CS231n, as the seed runs it): small network, sums of squares, the picture painted in the
# network's own normalised values, within 1.5 but for the last ten steps, by an Adam that starts anew for the last
# twenty; the result stretched from black to white. Its pictures have a shorter side of 256.
translator = dict(
    type="StyleTranslator",
    network="squeezenet1_1",
    weights="pretrained",
    space="network",
    iterations=200,
    optimizer=dict(type="Adam", lr=3.0),
    decay=(0.9, 1 / 30),
    restart=True,
    bound=(1.5, 0.95),
    stretch=True,
    init="content",
)
generator_losses = dict(
    content=dict(type="ContentLoss", layers=(3,), weight=5e-3),
    style=dict(type="StyleLoss", layers=(1, 4, 6, 7), layer_weights=(20000, 500, 12, 1)),
    tv=dict(type="TotalVariationLoss", penalty="squared", reduction="sum", weight=5e-2),
)
