# The hierarchical space of U-Nets of Auto-nnU-Net (Becktepe et al. 2025), for
# any number of stages. A symbol with a production is rewritten; a terminal is
# what a network's builder reads (compiler/unet).
#
# It yields the authors' trees with their prior. Two productions of theirs that
# no derivation reaches are left out: the decoder block of the deepest stage
# (there is nothing to climb from there), and nothing else. The blocks of the
# residual encoder's defaults are nnU-Net's 1, 3, 4, 6, 6, …
grammar "unet" {
  variable "stages" {
    description = "stages of the data set's plan, at least 2"
  }
  variable "scale" {
    description = "most blocks of a stage, as a multiple of the default"
    default     = 2
  }
  variable "confidence" {
    description = "trust in the defaults: low, medium or high"
    default     = "medium"
  }

  start = "S"
  terminals = concat(
    ["unet", "conv_encoder", "res_encoder", "conv_decoder", "down", "up"],
    ["instance_norm", "batch_norm", "leaky_relu", "relu", "elu", "prelu", "gelu", "dropout", "no_dropout"],
    [for n in range(1, 6 * scale + 1) : "${n}b"],
  )

  # From half of the plan's stages to all of them; a U-Net has at least two.
  production "S" {
    alternatives = [for n in range(max(2, floor(stages / 2)), stages + 1) : ["unet", "${n}E", "${n}D"]]
    default      = ["unet", "${stages}E", "${stages}D"]
    prior        = confidence
    ordered      = true
  }

  production "encoder" {
    each   = range(max(2, floor(stages / 2)), stages + 1)
    symbol = "${each}E"
    alternatives = [
      for kind in [["conv_encoder", "CEB"], ["res_encoder", "REB"]] :
      concat([kind[0], "ENORM", "ENONLIN", "EDROPOUT"], between("down", [for n in range(1, each + 1) : "${n}${kind[1]}"]))
    ]
    default = concat(["conv_encoder", "ENORM", "ENONLIN", "EDROPOUT"], between("down", [for n in range(1, each + 1) : "${n}CEB"]))
    prior   = confidence
  }

  production "decoder" {
    each         = range(max(2, floor(stages / 2)), stages + 1)
    symbol       = "${each}D"
    alternatives = [flatten(["conv_decoder", "DNORM", "DNONLIN", "DDROPOUT", [for n in range(1, each) : ["up", "${n}DB"]]])]
  }

  # Convolutions of an encoder stage.
  production "convolutions" {
    each         = range(1, stages + 1)
    symbol       = "${each}CEB"
    alternatives = [for n in range(1, 2 * scale + 1) : "${n}b"]
    default      = "2b"
    prior        = confidence
    ordered      = true
  }

  # Residual blocks of an encoder stage.
  production "residuals" {
    each         = range(1, stages + 1)
    symbol       = "${each}REB"
    alternatives = [for n in range(1, [1, 3, 4, 6][min(each, 4) - 1] * scale + 1) : "${n}b"]
    default      = "${[1, 3, 4, 6][min(each, 4) - 1]}b"
    prior        = confidence
    ordered      = true
  }

  # Convolutions of a decoder stage, from the bottleneck upwards.
  production "climb" {
    each         = range(1, stages)
    symbol       = "${each}DB"
    alternatives = [for n in range(1, 2 * scale + 1) : "${n}b"]
    default      = "2b"
    prior        = confidence
    ordered      = true
  }

  production "norm" {
    each         = ["ENORM", "DNORM"]
    symbol       = each
    alternatives = ["instance_norm", "batch_norm"]
    default      = "instance_norm"
    prior        = confidence
  }

  production "activation" {
    each         = ["ENONLIN", "DNONLIN"]
    symbol       = each
    alternatives = ["leaky_relu", "relu", "elu", "prelu", "gelu"]
    default      = "leaky_relu"
    prior        = confidence
  }

  production "dropout" {
    each         = ["EDROPOUT", "DDROPOUT"]
    symbol       = each
    alternatives = ["dropout", "no_dropout"]
    default      = "no_dropout"
    prior        = confidence
  }
}
