// What a step must not have: an activation transposed from channels first, and the
// weight gradient of a transposed convolution in the form that differentiation
// gives it, of which XLA makes a forward convolution with a window of 20x24x20.
// Compiled, it is faults.hlo.pb.
module @faults {
  func.func public @main(%x: tensor<2x16x8x8x8xbf16>, %low: tensor<2x10x12x10x16xbf16>, %dy: tensor<2x20x24x20x32xbf16>) -> (tensor<2x8x8x8x16xbf16>, tensor<16x2x2x2x32xbf16>) {
    %t = stablehlo.transpose %x, dims = [0, 2, 3, 4, 1] : (tensor<2x16x8x8x8xbf16>) -> tensor<2x8x8x8x16xbf16>
    %dw = stablehlo.convolution(%low, %dy) dim_numbers = [f, 0, 1, 2, b]x[i, 0, 1, 2, o]->[b, 0, 1, 2, f], window = {stride = [1, 1, 1], pad = [[1, 1], [1, 1], [1, 1]], lhs_dilate = [2, 2, 2], rhs_dilate = [1, 1, 1]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<2x10x12x10x16xbf16>, tensor<2x20x24x20x32xbf16>) -> tensor<16x2x2x2x32xbf16>
    return %t, %dw : tensor<2x8x8x8x16xbf16>, tensor<16x2x2x2x32xbf16>
  }
}
