package assembly

import (
	"fmt"
	"strings"
)

// channelLoop is one function over x [voxels,channels], channels a multiple of 8.
type channelLoop struct {
	name     string
	pointers []string
	slope    bool
	load     func(w *writer, j int, at func(pointer string) string)
	body     func(w *writer, j int, at func(pointer string) string)
	store    func(w *writer, j int, at func(pointer string) string)
}

var pointerRegisters = []string{"AX", "BX", "CX", "DX", "SI", "R11", "R12", "R13"}

// write emits the function. Registers: DI channels left, R8 bytes of a voxel,
// R9 byte offset of the channels, R10 byte offset of the voxel's channels,
// R15 voxels left.
func (l channelLoop) write(w *writer) {
	signature := "("
	for i, p := range l.pointers {
		if i > 0 {
			signature += ", "
		}
		signature += p
	}
	signature += " *float32, voxels, channels int"
	args := 8*len(l.pointers) + 16
	if l.slope {
		signature += ", slope float32"
		args += 4
	}
	w.function(signature+")", l.name, 0, args)
	register := map[string]string{}
	for i, p := range l.pointers {
		register[p] = pointerRegisters[i]
		w.op("MOVQ %s+%d(FP), %s", p, 8*i, pointerRegisters[i])
	}
	w.op("MOVQ channels+%d(FP), DI", 8*len(l.pointers)+8)
	if l.slope {
		w.op("VBROADCASTSS slope+%d(FP), Y15", 8*len(l.pointers)+16)
		w.op("VXORPS Y14, Y14, Y14")
	}
	w.op("MOVQ DI, R8")
	w.op("SHLQ $2, R8")
	w.op("XORQ R9, R9")
	for _, vectors := range []int{2, 1} {
		next := "eight"
		if vectors == 1 {
			next = "done"
			w.label("eight")
		} else {
			w.label("sixteen")
		}
		w.op("CMPQ DI, $%d", 8*vectors)
		w.op("JLT %s", next)
		perChannel := func(j int) func(string) string {
			return func(p string) string { return fmt.Sprintf("%d(%s)(R9*1)", 32*j, register[p]) }
		}
		perVoxel := func(j int) func(string) string {
			return func(p string) string { return fmt.Sprintf("%d(%s)(R10*1)", 32*j, register[p]) }
		}
		for j := range vectors {
			l.load(w, j, perChannel(j))
		}
		w.op("MOVQ voxels+%d(FP), R15", 8*len(l.pointers))
		w.op("MOVQ R9, R10")
		w.op("PCALIGN $32")
		w.label(fmt.Sprintf("voxel%d", 8*vectors))
		for j := range vectors {
			l.body(w, j, perVoxel(j))
		}
		w.op("ADDQ R8, R10")
		w.op("DECQ R15")
		w.op("JNZ voxel%d", 8*vectors)
		for j := range vectors {
			if l.store != nil {
				l.store(w, j, perChannel(j))
			}
		}
		w.op("ADDQ $%d, R9", 32*vectors)
		w.op("SUBQ $%d, DI", 8*vectors)
		if vectors == 2 {
			w.op("JMP sixteen")
		}
	}
	w.label("done")
	w.end()
}

// y names a vector register of group k for the j-th vector.
func y(k, j int) string { return fmt.Sprintf("Y%d", 2*k+j) }

func (w *writer) moments() {
	channelLoop{
		name: "momentsLoop", pointers: []string{"x", "shift", "sum", "square"},
		load: func(w *writer, j int, at func(string) string) {
			w.op("VMOVUPS %s, %s", at("shift"), y(0, j))
			w.op("VMOVUPS %s, %s", at("sum"), y(1, j))
			w.op("VMOVUPS %s, %s", at("square"), y(2, j))
		},
		body: func(w *writer, j int, at func(string) string) {
			w.op("VMOVUPS %s, %s", at("x"), y(3, j))
			w.op("VSUBPS %s, %s, %s", y(0, j), y(3, j), y(3, j))
			w.op("VADDPS %s, %s, %s", y(3, j), y(1, j), y(1, j))
			w.op("VFMADD231PS %s, %s, %s", y(3, j), y(3, j), y(2, j))
		},
		store: func(w *writer, j int, at func(string) string) {
			w.op("VMOVUPS %s, %s", y(1, j), at("sum"))
			w.op("VMOVUPS %s, %s", y(2, j), at("square"))
		},
	}.write(w)
}

func (w *writer) affine() {
	channelLoop{
		name: "affineLoop", pointers: []string{"x", "y", "scale", "offset"}, slope: true,
		load: func(w *writer, j int, at func(string) string) {
			w.op("VMOVUPS %s, %s", at("scale"), y(0, j))
			w.op("VMOVUPS %s, %s", at("offset"), y(1, j))
		},
		body: func(w *writer, j int, at func(string) string) {
			w.op("VMOVUPS %s, %s", at("x"), y(2, j))
			w.op("VFMADD213PS %s, %s, %s", y(1, j), y(0, j), y(2, j)) // z = x·scale+offset
			w.op("VMULPS Y15, %s, %s", y(2, j), y(3, j))
			w.op("VCMPPS $30, Y14, %s, %s", y(2, j), y(4, j)) // z > 0
			w.op("VBLENDVPS %s, %s, %s, %s", y(4, j), y(2, j), y(3, j), y(3, j))
			w.op("VMOVUPS %s, %s", y(3, j), at("y"))
		},
	}.write(w)
}

func (w *writer) gradSums() {
	channelLoop{
		name: "gradSumsLoop", pointers: []string{"x", "dy", "scale", "offset", "mean", "sum", "moment"}, slope: true,
		load: func(w *writer, j int, at func(string) string) {
			w.op("VMOVUPS %s, %s", at("scale"), y(0, j))
			w.op("VMOVUPS %s, %s", at("offset"), y(1, j))
			w.op("VMOVUPS %s, %s", at("mean"), y(2, j))
			w.op("VMOVUPS %s, %s", at("sum"), y(3, j))
			w.op("VMOVUPS %s, %s", at("moment"), y(4, j))
		},
		body: func(w *writer, j int, at func(string) string) {
			w.op("VMOVUPS %s, Y10", at("x"))
			w.leakyGrad("Y10", "Y11", at("dy"), j)
			w.op("VSUBPS %s, Y10, Y10", y(2, j))
			w.op("VADDPS Y11, %s, %s", y(3, j), y(3, j))
			w.op("VFMADD231PS Y11, Y10, %s", y(4, j))
		},
		store: func(w *writer, j int, at func(string) string) {
			w.op("VMOVUPS %s, %s", y(3, j), at("sum"))
			w.op("VMOVUPS %s, %s", y(4, j), at("moment"))
		},
	}.write(w)
}

// leakyGrad leaves dz = dy·leaky'(x·scale+offset) in d; scale and offset are
// groups 0 and 1. Y12 and Y13 are lost.
func (w *writer) leakyGrad(x, d, dy string, j int) {
	w.op("VMOVUPS %s, %s", dy, d)
	w.op("VMOVAPS %s, Y12", x)
	w.op("VFMADD213PS %s, %s, Y12", y(1, j), y(0, j))
	w.op("VCMPPS $30, Y14, Y12, Y12")
	w.op("VMULPS Y15, %s, Y13", d)
	w.op("VBLENDVPS Y12, %s, Y13, %s", d, d)
}

func (w *writer) gradInput() {
	channelLoop{
		name: "gradInputLoop", pointers: []string{"x", "dy", "dx", "scale", "offset", "kx", "k1"}, slope: true,
		load: func(w *writer, j int, at func(string) string) {
			w.op("VMOVUPS %s, %s", at("scale"), y(0, j))
			w.op("VMOVUPS %s, %s", at("offset"), y(1, j))
			w.op("VMOVUPS %s, %s", at("kx"), y(2, j))
			w.op("VMOVUPS %s, %s", at("k1"), y(3, j))
		},
		body: func(w *writer, j int, at func(string) string) {
			w.op("VMOVUPS %s, Y10", at("x"))
			w.leakyGrad("Y10", "Y11", at("dy"), j)
			w.op("VFMADD213PS %s, %s, Y10", y(3, j), y(2, j)) // x·kx+k1
			w.op("VFMADD231PS Y11, %s, Y10", y(0, j))
			w.op("VMOVUPS Y10, %s", at("dx"))
		},
	}.write(w)
}

// flat writes a loop over n floats, a multiple of 8, given pointers and body;
// the byte offset is R9.
func (w *writer) flat(name, signature string, pointers []string, before, body func()) {
	w.function(signature, name, 0, 8*len(pointers)+8)
	for i, p := range pointers {
		w.op("MOVQ %s+%d(FP), %s", p, 8*i, pointerRegisters[i])
	}
	w.op("MOVQ n+%d(FP), DI", 8*len(pointers))
	w.op("XORQ R9, R9")
	before()
	w.op("PCALIGN $32")
	w.label("loop")
	body()
	w.op("ADDQ $32, R9")
	w.op("SUBQ $8, DI")
	w.op("JNZ loop")
	w.end()
}

// spread and gather are the transforms of winograd.go.
func (w *writer) spread() {
	names := []string{"a", "b", "c", "d", "y0", "y1", "y2", "y3"}
	w.flat("spreadLoop", "(a, b, c, d, y0, y1, y2, y3 *float32, n int)", names, func() {}, func() {
		for i := range 4 {
			w.op("VMOVUPS (%s)(R9*1), Y%d", pointerRegisters[i], i)
		}
		w.op("VSUBPS Y2, Y0, Y0")
		w.op("VADDPS Y1, Y2, Y4")
		w.op("VSUBPS Y1, Y2, Y5")
		w.op("VSUBPS Y3, Y1, Y3")
		for i, r := range []int{0, 4, 5, 3} {
			w.op("VMOVUPS Y%d, (%s)(R9*1)", r, pointerRegisters[4+i])
		}
	})
}

func (w *writer) gather() {
	names := []string{"a", "b", "c", "d", "y0", "y1"}
	w.flat("gatherLoop", "(a, b, c, d, y0, y1 *float32, n int)", names, func() {}, func() {
		w.op("VMOVUPS (BX)(R9*1), Y1")
		w.op("VMOVUPS (CX)(R9*1), Y2")
		w.op("VADDPS (AX)(R9*1), Y1, Y0")
		w.op("VADDPS Y2, Y0, Y0")
		w.op("VSUBPS Y2, Y1, Y1")
		w.op("VSUBPS (DX)(R9*1), Y1, Y1")
		w.op("VMOVUPS Y0, (%s)(R9*1)", pointerRegisters[4])
		w.op("VMOVUPS Y1, (%s)(R9*1)", pointerRegisters[5])
	})
}

// sums writes addLoop and subLoop.
func (w *writer) sums() {
	for _, op := range []string{"ADD", "SUB"} {
		w.flat(strings.ToLower(op)+"Loop", "(y, a, b *float32, n int)", []string{"y", "a", "b"}, func() {}, func() {
			w.op("VMOVUPS (BX)(R9*1), Y0")
			w.op("V%sPS (CX)(R9*1), Y0, Y0", op)
			w.op("VMOVUPS Y0, (AX)(R9*1)")
		})
	}
}

// sgd: param AX, grad BX, buf CX, constants DX.
func (w *writer) sgd() {
	w.flat("sgdLoop", "(param, grad, buf *float32, c *sgdConstants, n int)", []string{"param", "grad", "buf", "c"}, func() {
		for i, f := range []string{"scale", "decay", "momentum", "fromGrad", "fromBuffer"} {
			w.op("VBROADCASTSS sgdConstants_%s(DX), Y%d", f, 8+i)
		}
	}, func() {
		w.op("VMOVUPS (AX)(R9*1), Y0")
		w.op("VMULPS Y9, Y0, Y1")
		w.op("VFMADD231PS (BX)(R9*1), Y8, Y1") // d
		w.op("VMOVUPS (CX)(R9*1), Y2")
		w.op("VFMADD213PS Y1, Y10, Y2") // buffer
		w.op("VMOVUPS Y2, (CX)(R9*1)")
		w.op("VMULPS Y12, Y2, Y3")
		w.op("VFMADD231PS Y11, Y1, Y3")
		w.op("VADDPS Y3, Y0, Y0")
		w.op("VMOVUPS Y0, (AX)(R9*1)")
	})
}

// adam writes adamLoop and amsgradLoop: param AX, grad BX, first CX, second
// DX, then the largest second moment, then the constants.
func (w *writer) adam(largest bool) {
	name, signature := "adamLoop", "(param, grad, first, second *float32, c *adamConstants, n int)"
	pointers := []string{"param", "grad", "first", "second", "c"}
	if largest {
		name, signature = "amsgradLoop", "(param, grad, first, second, most *float32, c *adamConstants, n int)"
		pointers = []string{"param", "grad", "first", "second", "most", "c"}
	}
	constants := pointerRegisters[len(pointers)-1]
	fields := []string{"scale", "join", "shrink", "first", "second", "square", "rate", "root", "eps"}
	w.flat(name, signature, pointers, func() {
		for i, f := range fields {
			w.op("VBROADCASTSS adamConstants_%s(%s), Y%d", f, constants, 7+i)
		}
	}, func() {
		w.op("VMULPS (AX)(R9*1), Y9, Y0")
		w.op("VMULPS Y8, Y0, Y1")
		w.op("VFMADD231PS (BX)(R9*1), Y7, Y1") // gradient
		w.op("VMOVUPS (CX)(R9*1), Y2")
		w.op("VSUBPS Y2, Y1, Y3")
		w.op("VFMADD231PS Y3, Y10, Y2")
		w.op("VMOVUPS Y2, (CX)(R9*1)")
		w.op("VMULPS Y1, Y1, Y3")
		w.op("VMULPS Y12, Y3, Y3")
		w.op("VFMADD231PS (DX)(R9*1), Y11, Y3")
		w.op("VMOVUPS Y3, (DX)(R9*1)")
		if largest {
			w.op("VMAXPS (%s)(R9*1), Y3, Y3", pointerRegisters[4])
			w.op("VMOVUPS Y3, (%s)(R9*1)", pointerRegisters[4])
		}
		w.op("VSQRTPS Y3, Y3")
		w.op("VFMADD213PS Y15, Y14, Y3")
		w.op("VMULPS Y13, Y2, Y2")
		w.op("VDIVPS Y3, Y2, Y2")
		w.op("VADDPS Y2, Y0, Y0")
		w.op("VMOVUPS Y0, (AX)(R9*1)")
	})
}
