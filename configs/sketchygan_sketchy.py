# sketchkit train configs/sketchygan_sketchy.py --cfg-options data_root=PATH
# SketchyGAN as the Sketch2Img report trains it (Wang et al. 2019, after Chen & Hays, CVPR 2018): the whole objective.
_base_ = ["_base_/runtime.py", "_base_/adversarial.py", "_base_/sketchy.py"]
# What people draw is brought to the look of the training's sketches; see docs/translate.md.
inference = dict(source="drawing")

translator = dict(
    type="ConditionalTranslator",
    data_preprocessor=dict(type="TranslationPreprocessor", normalization="centered"),
)
networks = dict(
    image_size="$image_size", num_classes="$num_classes", activation=dict(type="LeakyReLU", negative_slope=0.01)
)
backbone = dict(type="MRUGenerator", **networks)
heads = dict(discriminator=dict(type="MRUDiscriminator", **networks))
del networks

generator_losses = dict(
    gan=dict(type="AdversarialLoss", weight=1.0),
    classes=dict(type="AuxiliaryClassificationLoss", weight=1.0),
    pixel=dict(type="PixelLoss", weight=1.0),
    perceptual=dict(type="PerceptualLoss", network="inception_v4", weight=1.0),
    diversity=dict(type="DiversityLoss", weight=1.0),
)
discriminator_losses = dict(
    gan=dict(type="AdversarialLoss", weight=1.0),
    classes=dict(type="AuxiliaryClassificationLoss", weight=1.0),
    dragan=dict(type="DRAGANPenalty", weight=10.0),
)

optim_wrapper = dict(
    generator=dict(optimizer=dict(lr=1e-4, betas=(0.9, 0.999))),
    discriminator=dict(optimizer=dict(lr=2e-4, betas=(0.9, 0.999))),
)
param_scheduler = None
# 20 epochs of the whole database's training split, some 67,000 sketches.
train_cfg = dict(max_iters=84_000, val_interval=5000)
