# sketchkit train configs/sketchygan_sketchy.py --cfg-options data_root=PATH
# SketchyGAN as the Sketch2Img report trains it (Wang et al. 2019, after Chen & Hays, CVPR 2018): the whole objective.
_base_ = ["_base_/runtime.py", "_base_/adversarial.py", "_base_/sketchy.py"]

translator = dict(
    type="ConditionalTranslator",
    data_preprocessor=dict(type="TranslationPreprocessor", normalization="centered"),
)
backbone = dict(type="MRUGenerator", image_size="$image_size", num_classes="$num_classes")
heads = dict(discriminator=dict(type="MRUDiscriminator", image_size="$image_size", num_classes="$num_classes"))

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

optim_wrapper = dict(generator=dict(optimizer=dict(lr=1e-4)))
param_scheduler = None
# 20 epochs of the whole database's training split, some 67,000 sketches.
train_cfg = dict(max_iters=84_000, val_interval=5000)
