# sketchkit train configs/recolor_wgan.py --cfg-options data_root=PATH
# The normal networks as a Wasserstein GAN (Arjovsky et al. 2017): critic, RMSProp, clipped weights, five critic steps.
# To clip gradients as well: +optim_wrapper.discriminator.clip_grad=dict(max_norm=1.0)
_base_ = "recolor_normal.py"
translator = dict(discriminator_steps=5)
generator_losses = dict(gan=dict(mode="wgan"))
discriminator_losses = dict(gan=dict(mode="wgan", weight=1.0))
optim_wrapper = dict(
    generator=dict(optimizer=dict(_delete_=True, type="RMSprop", lr=5e-5)),
    discriminator=dict(optimizer=dict(_delete_=True, type="RMSprop", lr=5e-5), clip_weights=0.01),
)
# Iterations count critic steps.
train_cfg = dict(max_iters=50_000, val_interval=2500)
