// Package npy reads and writes NumPy's files of arrays: .npy, one array, and
// .npz, a ZIP archive of several by name (numpy.lib.format, version 1.0). It
// knows the kinds of numbers that nnU-Net's files have, in C order and little
// endian, and nothing of pickled objects.
package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Array is an array of floating-point numbers in C order.
type Array struct {
	Shape []int
	Data  []float32
}

const (
	magic  = "\x93NUMPY"
	growth = 21 // digits that NumPy keeps room for
)

// Encode gives an array of float32 or int16 as a .npy file.
func Encode[T float32 | int16](shape []int, data []T) []byte {
	kind := "<f4"
	if _, whole := any(data).([]int16); whole {
		kind = "<i2"
	}
	axes := make([]string, len(shape))
	for i, n := range shape {
		axes[i] = strconv.Itoa(n)
	}
	tuple := strings.Join(axes, ", ")
	if len(axes) == 1 {
		tuple += ","
	}
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", kind, tuple)
	if len(axes) > 0 {
		head += strings.Repeat(" ", growth-len(axes[0])) // NumPy's room for a longer first axis
	}
	head += strings.Repeat(" ", 63-(len(magic)+4+len(head))%64) + "\n" // data begin at a multiple of 64
	var b bytes.Buffer
	b.WriteString(magic + "\x01\x00")
	binary.Write(&b, binary.LittleEndian, uint16(len(head)))
	b.WriteString(head)
	binary.Write(&b, binary.LittleEndian, data)
	return b.Bytes()
}

var (
	descr = regexp.MustCompile(`'descr':\s*'([^']*)'`)
	order = regexp.MustCompile(`'fortran_order':\s*(True|False)`)
	shape = regexp.MustCompile(`'shape':\s*\(([^)]*)\)`)
)

// Decode reads a .npy file of float16, float32 or float64 in C order.
func Decode(file []byte) (Array, error) {
	head, body, err := split(file)
	if err != nil {
		return Array{}, err
	}
	kind, fortran, axes := descr.FindStringSubmatch(head), order.FindStringSubmatch(head), shape.FindStringSubmatch(head)
	if kind == nil || fortran == nil || axes == nil {
		return Array{}, fmt.Errorf("its head %q gives no kind, order and shape", head)
	}
	if fortran[1] == "True" {
		return Array{}, errors.New("it is in Fortran's order; save it in C order")
	}
	width := map[string]int{"<f2": 2, "<f4": 4, "<f8": 8}[kind[1]]
	if width == 0 {
		return Array{}, fmt.Errorf("its numbers are of the kind %q; float16, float32 and float64 (<f2, <f4, <f8) can be read", kind[1])
	}
	a := Array{}
	n := 1
	for _, text := range strings.Split(axes[1], ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		length, err := strconv.Atoi(text)
		if err != nil || length < 0 || length > 0 && n > math.MaxInt32/length*16 {
			return Array{}, fmt.Errorf("its shape is (%s)", axes[1])
		}
		a.Shape = append(a.Shape, length)
		n *= length
	}
	if len(body) != n*width {
		return Array{}, fmt.Errorf("its shape is (%s), but %d bytes of numbers follow, not %d: it was cut short", axes[1], len(body), n*width)
	}
	a.Data = floats(body, width, n)
	return a, nil
}

// split separates the head from the numbers.
func split(file []byte) (head string, body []byte, err error) {
	if len(file) < len(magic)+4 || string(file[:len(magic)]) != magic {
		return "", nil, errors.New("it is no array of NumPy's")
	}
	at, size := len(magic)+4, 0
	switch file[len(magic)] {
	case 1:
		size = int(binary.LittleEndian.Uint16(file[at-2:]))
	case 2, 3:
		if at += 2; len(file) < at {
			return "", nil, errors.New("its head was cut short")
		}
		size = int(binary.LittleEndian.Uint32(file[at-4:]))
	default:
		return "", nil, fmt.Errorf("it is of version %d of NumPy's format", file[len(magic)])
	}
	if size > len(file)-at {
		return "", nil, errors.New("its head was cut short")
	}
	return string(file[at : at+size]), file[at+size:], nil
}

func floats(body []byte, width, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		switch b := body[i*width:]; width {
		case 2:
			out[i] = half(binary.LittleEndian.Uint16(b))
		case 4:
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b))
		default:
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}
	}
	return out
}

// half widens a number of half precision (IEEE 754 binary16).
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&1023)
	switch exponent {
	case 0:
		v := float32(fraction) / (1 << 24)
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}
