"""Where a name here is compared with torch's: the file, the function in it, and what it compares."""

TESTS = {
    "weights": ("tests/nn/test_torch_weights.py", "test_every_layer_gives_what_torchs_gives",
                "outputs with torch's weights, in float64 and both ways"),
    "cells": ("tests/nn/test_torch_weights.py", "test_cells_give_what_torchs_give", "one step with torch's weights"),
    "models": ("tests/nn/test_torch_weights.py", "test_whole_models_give_equal_outputs_both_ways",
               "LeNet, VGG, ResNet and others, whole"),
    "losses": ("tests/nn/test_losses_of_torch.py", "test_it_is_torchs",
               "value, slopes along K directions and gradient in every setting and reduction"),
    "recurrent": ("tests/nn/test_recurrent_of_torch.py", "test_rules",
                  "all settings together: value, tangents, factors and pullback, of padded sequences too"),
    "own": ("tests/nn/test_own_layers.py", "test_natural_code_is_right_for_every_number_of_directions",
            "layers of one's own, against the engine"),
    "attention": ("tests/nn/test_attention_of_torch.py", "", "masks of every kind, memories, weights: all rules"),
    "optimizers": ("tests/optim/test_optim.py", "test_torch_agrees_step_for_step",
                   "parameters after every step, in float64, float32 and complex128, clipped and not"),
    "schedules": ("tests/optim/test_of_torch.py", "test_schedules", "rates of 40 steps"),
    "layers": ("tests/nn/test_layers_beside_torch.py", "", "value, tangents, K directions, factors and pullback"),
    "masked": ("tests/nn/test_nn.py", "test_jvp_is_the_engines", "rules with a mask of ours: torch draws others"),
    "plateau": ("tests/optim/test_of_torch.py", "", "rates, step by step"),
}  # fmt: skip
