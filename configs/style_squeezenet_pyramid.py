# sketchkit stylize CONTENT STYLE -o OUT --config configs/style_squeezenet_pyramid.py
# The quality preset on a network of 5 MB.
_base_ = "style_vgg19.py"
translator = dict(network="squeezenet1_1")
generator_losses = dict(content=dict(layers=(6,)), style=dict(layers=(1, 3, 4, 6, 7)))
