# sketchkit train configs/sketchygan_official_sketchy.py --cfg-options data_root=PATH
# SketchyGAN as published (Chen & Hays, CVPR 2018): 50 classes, clean sketches as distance fields, 300,000 iterations.
_base_ = "sketchygan_sketchy.py"
categories = 50
drop = ["error", "ambiguous", "pose", "context"]
# What is lighter is paper, of 255 levels.
ink_threshold = 245
# Photos in folders called as the classes, whose edge maps stand for sketches: four in five at first, one at last. The
# discriminator's true pictures are a draw of their own. None: real sketches and their photos alone.
photo_root = None
share = [0.2, 0.8]
discriminator_share = 0.1
# Neither mirrored nor, before `normalization` changes their contrast, jittered.
brightness = 0.0
contrast = 0.0
# Two parts of 16, each with its own batch statistics, as on the two GPUs of the released code.
batch_size = 32

translator = dict(accumulate=2, data_preprocessor=dict(normalization="stretched"))
backbone = dict(_delete_=True, type="OfficialMRUGenerator", image_size="$image_size", num_classes="$num_classes")
heads = dict(
    discriminator=dict(
        _delete_=True, type="OfficialMRUDiscriminator", image_size="$image_size", num_classes="$num_classes"
    )
)
generator_losses = dict(
    gan=dict(mode="softplus"),
    classes=dict(weight=0.5),
    pixel=dict(weight=10.0),
    # The released code feeds Inception-v4 values in [0, 1].
    perceptual=dict(weight=3.0, normalize=False),
    diversity=dict(weight=10.0),
)
discriminator_losses = dict(
    gan=dict(mode="softplus"),
    classes=dict(focal_gamma=2.0),
    # Spectral norm and no gradient penalty. The variant without spectral norm has one: docs/sketchygan.md.
    dragan=None,
)
# L2 of 1e-5 on the weights of the masked residual units, of 1e-6 on linear layers, and on nothing else.
optim_wrapper = dict(
    generator=dict(
        optimizer=dict(lr=2e-4, betas=(0.0, 0.9), weight_decay=1e-5),
        paramwise_cfg=dict(
            flat_decay_mult=0.0,
            custom_keys={
                "stem": dict(decay_mult=0.0),
                "norm": dict(decay_mult=0.0),
                "skip": dict(decay_mult=0.0),
                "to_image": dict(decay_mult=0.0),
                "noise_map.linear.weight": dict(decay_mult=0.1),
            },
        ),
    ),
    discriminator=dict(
        optimizer=dict(lr=4e-4, betas=(0.0, 0.9), weight_decay=1e-5),
        paramwise_cfg=dict(
            flat_decay_mult=0.0,
            custom_keys={
                "stem": dict(decay_mult=0.0),
                "real": dict(decay_mult=0.0),
                "classes": dict(decay_mult=0.1),
                "classes.bias": dict(decay_mult=0.0),
            },
        ),
    ),
)
# lr x max(0.2, 1 - 0.9 i / 300,000): linear to a fifth at 266,667 iterations, then constant.
param_scheduler = [dict(type="LinearLR", by_epoch=False, start_factor=1.0, end_factor=0.2, begin=0, end=266_668)]
train_cfg = dict(max_iters=300_000, val_interval=10_000)

train_dataloader = dict(
    dataset=dict(
        type="SketchyCurriculum",
        photo_root="$photo_root",
        share="$share",
        discriminator_share="$discriminator_share",
        pipeline=[
            dict(type="DistanceField", threshold="$ink_threshold"),
            dict(
                type="Only",
                keys=["target"],
                transform=dict(type="ColorJitter", brightness="$brightness", contrast="$contrast"),
            ),
            dict(type="Resize", size=["$image_size", "$image_size"], interpolation="$interpolation"),
            dict(type="RandomHorizontalFlip", p="$flip"),
        ],
    )
)
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="DistanceField", threshold="$ink_threshold"),
            dict(type="Resize", size=["$image_size", "$image_size"], interpolation="$interpolation"),
        ]
    )
)
