// Package kernel holds the arithmetic of a 3-D U-Net on the processor: every
// forward pass, gradient, loss and optimiser update as a plain function over
// []float32, without a graph, without a tensor type and without cgo.
//
// # Layout
//
// Activations are channels-last, [N,D,H,W,C]; where the three spatial axes do
// not matter they are one, [N,V,C]. A convolution's weights are
// [KD,KH,KW,Ci,Co], a transposed convolution's [SD,SH,SW,Ci,Co], a bias [Co].
// Every slice holds exactly its elements; other lengths panic with the value,
// since only a wrong program can bring them about.
//
// # One idea
//
// With channels last, the inputs one output voxel needs along the innermost
// axis lie side by side (KW·Ci numbers), so a convolution is a matrix product
// whose left side is never copied: each row of it is a few contiguous runs of
// the padded input. One driver ([product]) and one micro-kernel therefore do
// convolutions, their input gradients (a strided one falls apart into one
// small convolution per remainder of the stride) and transposed convolutions;
// a second micro-kernel of outer products does the weight gradients. Large
// convolutions of stride 1, most of a U-Net's work, take Winograd's minimal
// filtering along D and H (winograd.go), which leaves products of the same kind.
//
// # Reproducibility
//
// Results are bit-equal for any number of threads: what is summed across
// voxels is cut into chunks that depend on the shape alone, and the chunks are
// added in order.
//
// They are bit-equal between avx2 and avx512, and so on every amd64 processor
// with AVX2 and FMA. Every number that a matrix product or an outer product
// computes is one chain of fused multiply-adds in an order that the shape
// alone decides: tiles and panels of other sizes share out the numbers, never
// one number's sum. All other loops are the same code in both sets. A test
// compares the bits of every kernel, and one of whole training steps.
//
// They are not bit-equal between these two and portable, the plain Go that
// serves where AVX2 or FMA is missing: it rounds each product before adding it,
// and takes another exponential and error function in ELU and GELU. Nor is
// portable the same everywhere: on arm64, and on amd64 when built for GOAMD64=v3
// or higher, Go's compiler fuses multiplications and additions of plain Go.
// The vector sets have some plain Go too (losses, statistics, the norms of
// channels not a multiple of 8). So one seed gives one result among amd64
// processors with AVX2 and FMA that run one binary built for GOAMD64=v1 (Go's
// default) or v2, and elsewhere among processors of one kind.
//
// The set is chosen once from what the processor offers, the best; [ISA] tells
// which. The environment variable RUNSPEC_CPU=portable, avx2 or avx512 forces
// one; a name that this processor does not offer is an error ([Check]), which
// the executor returns before it computes anything.
//
// # Memory
//
// A [Pool] holds the threads and the scratch memory, which grows to the
// largest call and is then reused; beyond it a call allocates a few small
// objects. A Pool serves one call at a time.
//
// # Assembly
//
// simd_amd64.s is written by internal/assembly, which says how to rewrite it.
// Other processors run the portable loops.
package kernel
