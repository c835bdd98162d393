# sketchkit stylize CONTENT STYLE -o OUT --config configs/style_vgg19.py
# The quality preset: Gatys' layers, coarse to fine, the average of the iterates. Its losses are relative to what the
# originals have in each layer, so that the weights hold for other networks too.
translator = dict(
    type="StyleTranslator",
    network="vgg19",
    weights="pretrained",
    iterations=200,
    optimizer=dict(type="Adam", lr=0.04),
    init="content",
    pyramid=128,
    ema=0.98,
    padding="replicate",
    pooling="max",
)
generator_losses = dict(
    content=dict(type="ContentLoss", layers=("relu4_2",), reduction="relative", weight=1.0),
    style=dict(
        type="StyleLoss",
        layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
        layer_weights=None,
        reduction="relative",
        weight=10.0,
    ),
    tv=dict(type="TotalVariationLoss", penalty="squared", reduction="mean", weight=1.0),
)
