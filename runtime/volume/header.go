package volume

import (
	"encoding/binary"
	"fmt"
	"math"
)

// kind is a NIfTI datatype code (nifti1.h, field datatype).
type kind int16

// The numeric datatypes; complex and colour ones are refused.
const (
	kindUint8   kind = 2
	kindInt16   kind = 4
	kindInt32   kind = 8
	kindFloat32 kind = 16
	kindFloat64 kind = 64
	kindInt8    kind = 256
	kindUint16  kind = 512
	kindUint32  kind = 768
	kindInt64   kind = 1024
	kindUint64  kind = 1280
)

// width is the number of bytes per voxel, 0 for a kind that is not read.
func (k kind) width() int {
	switch k {
	case kindUint8, kindInt8:
		return 1
	case kindInt16, kindUint16:
		return 2
	case kindInt32, kindUint32, kindFloat32:
		return 4
	case kindInt64, kindUint64, kindFloat64:
		return 8
	}
	return 0
}

// refused names the datatypes that NIfTI knows and runspec does not read.
var refused = map[kind]string{
	0: "unknown", 1: "binary", 32: "complex64", 128: "RGB24", 1536: "float128",
	1792: "complex128", 2048: "complex256", 2304: "RGBA32",
}

// header is what runspec needs of a NIfTI-1 or NIfTI-2 header.
type header struct {
	order        binary.ByteOrder
	kind         kind
	offset       int64    // of the first voxel, bytes
	shape        [4]int64 // voxels (channels, z, y, x)
	slope, inter float64  // value = stored*slope + inter
	grid         Grid
}

func (h *header) values() int64 { return h.shape[0] * h.shape[1] * h.shape[2] * h.shape[3] }
func (h *header) bytes() int64  { return h.values() * int64(h.kind.width()) }

const (
	size1 = 348 // bytes of a NIfTI-1 header, stored in its first field
	size2 = 540 // bytes of a NIfTI-2 header
)

// fields are the header's fields as stored, of either version.
type fields struct {
	magic        string
	dim          [8]int64
	datatype     int16
	pixdim       [8]float64
	offset       float64
	slope, inter float64
	units        int32
	qform, sform int32
	quatern      [3]float64 // b, c, d
	qoffset      [3]float64
	srow         [3][4]float64
}

// headerSize tells version and byte order from the first four bytes.
func headerSize(b []byte) (int, binary.ByteOrder, error) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(b) {
		case size1:
			return size1, order, nil
		case size2:
			return size2, order, nil
		}
	}
	return 0, nil, fmt.Errorf("it does not start as a NIfTI-1 or NIfTI-2 file does; convert it to .nii.gz")
}

// decoder reads fields at fixed places; there is always a whole header.
type decoder struct {
	b     []byte
	order binary.ByteOrder
}

func (d decoder) i16(at int) int16   { return int16(d.order.Uint16(d.b[at:])) }
func (d decoder) i32(at int) int32   { return int32(d.order.Uint32(d.b[at:])) }
func (d decoder) i64(at int) int64   { return int64(d.order.Uint64(d.b[at:])) }
func (d decoder) f32(at int) float64 { return float64(math.Float32frombits(d.order.Uint32(d.b[at:]))) }
func (d decoder) f64(at int) float64 { return math.Float64frombits(d.order.Uint64(d.b[at:])) }

func fields1(d decoder) fields {
	f := fields{
		magic: string(d.b[344:348]), datatype: d.i16(70), offset: d.f32(108),
		slope: d.f32(112), inter: d.f32(116), units: int32(d.b[123]),
		qform: int32(d.i16(252)), sform: int32(d.i16(254)),
	}
	for i := range 8 {
		f.dim[i], f.pixdim[i] = int64(d.i16(40+2*i)), d.f32(76+4*i)
	}
	for i := range 3 {
		f.quatern[i], f.qoffset[i] = d.f32(256+4*i), d.f32(268+4*i)
		for j := range 4 {
			f.srow[i][j] = d.f32(280 + 16*i + 4*j)
		}
	}
	return f
}

func fields2(d decoder) fields {
	f := fields{
		magic: string(d.b[4:8]), datatype: d.i16(12), offset: float64(d.i64(168)),
		slope: d.f64(176), inter: d.f64(184), units: d.i32(500),
		qform: d.i32(344), sform: d.i32(348),
	}
	for i := range 8 {
		f.dim[i], f.pixdim[i] = d.i64(16+8*i), d.f64(104+8*i)
	}
	for i := range 3 {
		f.quatern[i], f.qoffset[i] = d.f64(352+8*i), d.f64(376+8*i)
		for j := range 4 {
			f.srow[i][j] = d.f64(400 + 32*i + 8*j)
		}
	}
	return f
}

// parseHeader reads a whole header of the given size and checks every field
// that later decides about memory.
func parseHeader(b []byte, size int, order binary.ByteOrder) (*header, error) {
	d := decoder{b, order}
	var f fields
	var single, pair string
	if size == size1 {
		f, single, pair = fields1(d), "n+1\x00", "ni1\x00"
	} else {
		f, single, pair = fields2(d), "n+2\x00", "ni2\x00"
	}
	switch f.magic {
	case single:
	case pair:
		return nil, fmt.Errorf("it is a .hdr whose voxels lie in a separate .img; convert the pair to one .nii.gz")
	default:
		return nil, fmt.Errorf("its magic is %q instead of %q (Analyze 7.5, or damaged); convert it to .nii.gz", f.magic, single)
	}
	h := &header{order: order, kind: kind(f.datatype)}
	if h.kind.width() == 0 {
		name := refused[h.kind]
		if name == "" {
			name = "unknown"
		}
		return nil, fmt.Errorf("its datatype is %d (%s); store one real number per voxel, e.g. float32", f.datatype, name)
	}
	if !(f.offset >= float64(size) && f.offset < 1<<31) {
		return nil, fmt.Errorf("its voxels start at byte %v, which is not behind the header (damaged header)", f.offset)
	}
	h.offset = int64(f.offset)
	h.slope, h.inter = f.scaling()
	if err := h.setShape(f.dim); err != nil {
		return nil, err
	}
	return h, h.setSpace(f)
}

// scaling follows nifti1.h: a slope of 0 (or none that is a number) means that
// values are stored as they are. (ITK adds the intercept to them even so.)
func (f *fields) scaling() (slope, inter float64) {
	if f.slope == 0 || math.IsNaN(f.slope) || math.IsInf(f.slope, 0) {
		return 1, 0
	}
	if math.IsNaN(f.inter) || math.IsInf(f.inter, 0) {
		return f.slope, 0
	}
	return f.slope, f.inter
}

// maxValues bounds the voxels of a file (of all channels): 2^36 float32 are 256 GiB.
const maxValues = 1 << 36

// setShape reads dim: (x, y, z, time, vector); time and vector are channels.
func (h *header) setShape(dim [8]int64) error {
	n := dim[0]
	if n < 1 || n > 7 {
		return fmt.Errorf("it claims %d dimensions (damaged header)", n)
	}
	full := [7]int64{1, 1, 1, 1, 1, 1, 1}
	product := int64(1)
	for i := range full[:n] {
		d := dim[i+1]
		if d < 1 || d > maxValues || product > maxValues/d {
			return fmt.Errorf("its dimensions are %v (damaged header)", dim[1:n+1])
		}
		full[i] = d
		product *= d
	}
	if (full[3] > 1 && full[4] > 1) || full[5] > 1 || full[6] > 1 {
		return fmt.Errorf("its dimensions are %v; channels may lie along one axis only, the fourth or the fifth", dim[1:n+1])
	}
	h.shape = [4]int64{full[3] * full[4], full[2], full[1], full[0]}
	h.grid.Shape = [3]int{int(full[2]), int(full[1]), int(full[0])}
	return nil
}
