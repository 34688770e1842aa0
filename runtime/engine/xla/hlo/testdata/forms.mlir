// A convolution of activations with its two gradients, in the forms that the
// lowering gives them; compiled, it is forms.hlo.pb. A sum and the maximum of the
// squares make two fusions beside them.
module @forms {
  func.func public @main(%x: tensor<2x8x8x8x16xbf16>, %w: tensor<32x3x3x3x16xbf16>, %dy: tensor<2x8x8x8x32xbf16>) -> (tensor<2x8x8x8x32xbf16>, tensor<2x8x8x8x16xbf16>, tensor<32x3x3x3x16xbf16>, tensor<2x8x8x8x32xf32>) {
    %y = stablehlo.convolution(%x, %w) dim_numbers = [b, 0, 1, 2, f]x[o, 0, 1, 2, i]->[b, 0, 1, 2, f], window = {stride = [1, 1, 1], pad = [[1, 1], [1, 1], [1, 1]], lhs_dilate = [1, 1, 1], rhs_dilate = [1, 1, 1]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<2x8x8x8x16xbf16>, tensor<32x3x3x3x16xbf16>) -> tensor<2x8x8x8x32xbf16>
    %r = stablehlo.reverse %w, dims = [1, 2, 3] : tensor<32x3x3x3x16xbf16>
    %dx = stablehlo.convolution(%dy, %r) dim_numbers = [b, 0, 1, 2, f]x[i, 0, 1, 2, o]->[b, 0, 1, 2, f], window = {stride = [1, 1, 1], pad = [[1, 1], [1, 1], [1, 1]], lhs_dilate = [1, 1, 1], rhs_dilate = [1, 1, 1]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<2x8x8x8x32xbf16>, tensor<32x3x3x3x16xbf16>) -> tensor<2x8x8x8x16xbf16>
    %dw = stablehlo.convolution(%x, %dy) dim_numbers = [f, 0, 1, 2, b]x[i, 0, 1, 2, o]->[f, 0, 1, 2, b], window = {stride = [1, 1, 1], pad = [[1, 1], [1, 1], [1, 1]], lhs_dilate = [1, 1, 1], rhs_dilate = [1, 1, 1]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<2x8x8x8x16xbf16>, tensor<2x8x8x8x32xbf16>) -> tensor<32x3x3x3x16xbf16>
    %wide = stablehlo.convert %y : (tensor<2x8x8x8x32xbf16>) -> tensor<2x8x8x8x32xf32>
    %square = stablehlo.multiply %wide, %wide : tensor<2x8x8x8x32xf32>
    return %y, %dx, %dw, %square : tensor<2x8x8x8x32xbf16>, tensor<2x8x8x8x16xbf16>, tensor<32x3x3x3x16xbf16>, tensor<2x8x8x8x32xf32>
  }
}
