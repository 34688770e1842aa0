package volume

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/klauspost/compress/gzip"

	"runspec/runtime/durable"
)

// WriteLabels writes a NIfTI file (gzipped if its name ends in .gz) of uint8
// where every label fits, else of int16. The file appears whole or not at all:
// it is written under a temporary name, synced and renamed.
func WriteLabels(path string, l *Labels) error {
	if len(l.Data) != l.Voxels() {
		return fmt.Errorf("write labels %s: %d values for %v voxels", path, len(l.Data), l.Shape)
	}
	k := kindUint8
	for _, v := range l.Data {
		if v < 0 || v > math.MaxUint8 {
			k = kindInt16
			break
		}
	}
	return write(path, "labels", l.Grid, 1, k, func(i int, b []byte) {
		if k == kindUint8 {
			b[0] = byte(l.Data[i])
		} else {
			binary.LittleEndian.PutUint16(b, uint16(l.Data[i]))
		}
	})
}

// WriteImage writes a NIfTI file of float32, with the channels along the fourth
// axis, in the way of WriteLabels.
func WriteImage(path string, im *Image) error {
	if im.Channels < 1 || len(im.Data) != im.Channels*im.Voxels() {
		return fmt.Errorf("write image %s: %d values for %d channels of %v voxels", path, len(im.Data), im.Channels, im.Shape)
	}
	return write(path, "image", im.Grid, im.Channels, kindFloat32, func(i int, b []byte) {
		binary.LittleEndian.PutUint32(b, math.Float32bits(im.Data[i]))
	})
}

// write puts a header and channels*voxels values, which put encodes one by one.
func write(path, what string, g Grid, channels int, k kind, put func(i int, b []byte)) error {
	fail := func(err error) error { return fmt.Errorf("write %s %s: %w", what, path, err) }
	head, err := newHeader(g, channels, k)
	if err != nil {
		return fail(err)
	}
	f, err := durable.Create(path)
	if err != nil {
		return fail(err)
	}
	defer f.Discard()
	if err := stream(f, strings.HasSuffix(path, ".gz"), head, k.width(), channels*g.Voxels(), put); err != nil {
		return fail(err)
	}
	if err := f.Commit(); err != nil {
		return fail(err)
	}
	return nil
}

func stream(f io.Writer, compress bool, head []byte, width, n int, put func(i int, b []byte)) error {
	out := bufio.NewWriterSize(f, 1<<16)
	w := io.Writer(out)
	var z *gzip.Writer
	if compress {
		z = gzip.NewWriter(out)
		w = z
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	const piece = 8192
	raw := make([]byte, 0, piece*width)
	for i := 0; i < n; i++ {
		raw = raw[:len(raw)+width]
		put(i, raw[len(raw)-width:])
		if len(raw) == cap(raw) || i == n-1 {
			if _, err := w.Write(raw); err != nil {
				return err
			}
			raw = raw[:0]
		}
	}
	if z != nil {
		if err := z.Close(); err != nil {
			return err
		}
	}
	return out.Flush()
}

// newHeader is a NIfTI-1 header with its four bytes of "no extension", or
// NIfTI-2 where a dimension exceeds int16. The affine goes into the sform, and
// into the qform too if it is a rotation, for programs that know only one.
func newHeader(g Grid, channels int, k kind) ([]byte, error) {
	dim := [8]int{3, g.Shape[2], g.Shape[1], g.Shape[0], 1, 1, 1, 1}
	if channels > 1 {
		dim[0], dim[4] = 4, channels
	}
	version2 := false
	for _, d := range dim[1:] {
		if d < 1 {
			return nil, fmt.Errorf("the shape is %v", g.Shape)
		}
		version2 = version2 || d > math.MaxInt16
	}
	for _, s := range g.Spacing {
		if !(s > 0) || math.IsInf(s, 0) {
			return nil, fmt.Errorf("the spacing is %v mm (z, y, x); every one must be positive", g.Spacing)
		}
	}
	affine := g.Affine
	if affine == ([3][4]float64{}) {
		affine = axisAligned(g.Spacing)
	}
	quatern, qfac, rotated := quaternion(affine)
	pixdim := [8]float64{qfac, g.Spacing[2], g.Spacing[1], g.Spacing[0], 1, 1, 1, 1}
	qform := 0
	if rotated {
		qform = 1
	}
	e := encoder{}
	if version2 {
		e.header2(dim, pixdim, k, qform, quatern, affine)
	} else {
		e.header1(dim, pixdim, k, qform, quatern, affine)
	}
	return e.b, nil
}

// encoder writes little-endian fields at fixed places.
type encoder struct{ b []byte }

func (e encoder) i16(at, v int)         { binary.LittleEndian.PutUint16(e.b[at:], uint16(v)) }
func (e encoder) i32(at, v int)         { binary.LittleEndian.PutUint32(e.b[at:], uint32(v)) }
func (e encoder) i64(at, v int)         { binary.LittleEndian.PutUint64(e.b[at:], uint64(v)) }
func (e encoder) f64(at int, v float64) { binary.LittleEndian.PutUint64(e.b[at:], math.Float64bits(v)) }
func (e encoder) f32(at int, v float64) {
	binary.LittleEndian.PutUint32(e.b[at:], math.Float32bits(float32(v)))
}

// unitsMM says that pixdim is in millimetres.
const unitsMM = 2

func (e *encoder) header1(dim [8]int, pixdim [8]float64, k kind, qform int, q [3]float64, affine [3][4]float64) {
	e.b = make([]byte, size1+4)
	e.i32(0, size1)
	e.b[38] = 'r' // "regular", which Analyze readers want
	for i := range 8 {
		e.i16(40+2*i, dim[i])
		e.f32(76+4*i, pixdim[i])
	}
	e.i16(70, int(k))
	e.i16(72, 8*k.width())
	e.f32(108, size1+4)
	e.f32(112, 1)
	e.b[123] = unitsMM
	e.i16(252, qform)
	e.i16(254, 1)
	for i := range 3 {
		e.f32(256+4*i, q[i])
		e.f32(268+4*i, affine[i][3])
		for j := range 4 {
			e.f32(280+16*i+4*j, affine[i][j])
		}
	}
	copy(e.b[344:], "n+1\x00")
}

func (e *encoder) header2(dim [8]int, pixdim [8]float64, k kind, qform int, q [3]float64, affine [3][4]float64) {
	e.b = make([]byte, size2+4)
	e.i32(0, size2)
	copy(e.b[4:], "n+2\x00\r\n\x1a\n")
	e.i16(12, int(k))
	e.i16(14, 8*k.width())
	for i := range 8 {
		e.i64(16+8*i, dim[i])
		e.f64(104+8*i, pixdim[i])
	}
	e.i64(168, size2+4)
	e.f64(176, 1)
	e.i32(344, qform)
	e.i32(348, 1)
	for i := range 3 {
		e.f64(352+8*i, q[i])
		e.f64(376+8*i, affine[i][3])
		for j := range 4 {
			e.f64(400+32*i+8*j, affine[i][j])
		}
	}
	e.i32(500, unitsMM)
}
