package volume

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/klauspost/compress/gzip"
)

// ReadImage reads a NIfTI-1 or NIfTI-2 file, .nii or .nii.gz, of real numbers
// as float32. The fourth axis (or the fifth, if the fourth is 1 long) are the
// channels; a 2-D image has Z = 1. NIfTI stores x fastest, which is the memory
// order of (C, Z, Y, X). Spacing is |pixdim| in mm, for the slice of a 2-D image
// 999 times its pixels'; Affine is the sform or the qform, whichever ITK (so
// SimpleITK, so nnU-Net) takes. NaN and infinite voxels are refused. An error names the file and what to do about it.
func ReadImage(path string) (*Image, error) {
	return ReadImages([]string{path})
}

// ReadImages joins the channels of several files, in order, into one image, as
// nnU-Net does with case_0000, case_0001 and so on. Shapes and spacings must
// agree.
func ReadImages(paths []string) (*Image, error) {
	if len(paths) == 0 {
		return nil, errors.New("no image file was named")
	}
	var joined *Image
	for _, path := range paths {
		one, err := readImage(path)
		if err != nil {
			return nil, &fileError{path, err}
		}
		if joined == nil {
			joined = one
			joined.Data = slices.Grow(joined.Data, (len(paths)-1)*len(one.Data))
			continue
		}
		if err := Agree(joined.Grid, one.Grid); err != nil {
			return nil, fmt.Errorf("%s and %s are channels of one case, but %w; resample them to one grid", paths[0], path, err)
		}
		if err := Aligned(joined.Grid, one.Grid); err != nil {
			joined.Odd = append(joined.Odd, fmt.Sprintf("%s and %s are channels of one case, but %v", paths[0], path, err))
		}
		joined.Channels += one.Channels
		joined.Data = append(joined.Data, one.Data...)
	}
	return joined, nil
}

// Agree says how two files of one case differ in their grids, or nil: it
// compares shapes exactly and spacings to 1e-4 relative, the headers'
// float32 being written by different programs.
func Agree(a, b Grid) error {
	if a.Shape != b.Shape {
		return fmt.Errorf("have %v and %v voxels (z, y, x)", a.Shape, b.Shape)
	}
	for i := range a.Spacing {
		if math.Abs(a.Spacing[i]-b.Spacing[i]) > 1e-4*a.Spacing[i] {
			return fmt.Errorf("have spacings of %v and %v mm (z, y, x)", a.Spacing, b.Spacing)
		}
	}
	return nil
}

// Aligned says how two files that agree lie elsewhere or otherwise in space, or
// nil. nnU-Net goes by voxels alone and warns (numpy.allclose; 1e-4 here, since
// headers hold float32).
func Aligned(a, b Grid) error {
	for i := range 3 {
		if x, y := a.Affine[i][3], b.Affine[i][3]; math.Abs(x-y) > 1e-4*max(1, math.Abs(x)) {
			return fmt.Errorf("have origins of %v and %v mm along %s", x, y, [3]string{"right", "anterior", "superior"}[i])
		}
		for axis := range 3 {
			if x, y := a.Affine[i][axis], b.Affine[i][axis]; math.Abs(x-y) > 1e-4*a.Spacing[2-axis] {
				return fmt.Errorf("have other directions: %v and %v mm along %s from one voxel to the next along %s",
					x, y, [3]string{"right", "anterior", "superior"}[i], [3]string{"x", "y", "z"}[axis])
			}
		}
	}
	return nil
}

// ReadLabels reads a label file (see ReadImage). Values that are not integers,
// or do not fit int16, and files of several channels are errors.
func ReadLabels(path string) (*Labels, error) {
	l, err := readLabels(path)
	if err != nil {
		return nil, &fileError{path, err}
	}
	return l, nil
}

// fileError adds the file to what is wrong with it.
type fileError struct {
	path string
	err  error
}

func (e *fileError) Error() string {
	var op *os.PathError
	if errors.As(e.err, &op) { // names the file already
		return fmt.Sprintf("read image: %v", e.err)
	}
	return fmt.Sprintf("read image %s: %v", e.path, e.err)
}

func (e *fileError) Unwrap() error { return e.err }

func readImage(path string) (*Image, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	im := &Image{Grid: f.head.grid, Channels: int(f.head.shape[0]), Data: make([]float32, f.head.values())}
	bad, at := 0, 0
	err = f.voxels(func(values []float64) error {
		for _, v := range values {
			w := float32(v)
			if w-w != 0 { // NaN or infinite
				bad++
			}
			im.Data[at] = w
			at++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if bad > 0 {
		return nil, fmt.Errorf("%d of its %d voxels are NaN or infinite, and one would spoil every weight of a network; replace them in the file, e.g. by 0", bad, len(im.Data))
	}
	return im, nil
}

func readLabels(path string) (*Labels, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if n := f.head.shape[0]; n != 1 {
		return nil, fmt.Errorf("it has %d channels; a label file has one integer per voxel", n)
	}
	l := &Labels{Grid: f.head.grid, Data: make([]int16, f.head.values())}
	at := 0
	err = f.voxels(func(values []float64) error {
		for _, v := range values {
			n := math.RoundToEven(v)
			if !(math.Abs(v-n) <= 1e-4) {
				return fmt.Errorf("its voxel %d is %v, which is no label; labels are whole numbers", at, v)
			}
			if n < math.MinInt16 || n > math.MaxInt16 {
				return fmt.Errorf("its voxel %d is %v; labels lie between %d and %d: renumber them from 0", at, v, math.MinInt16, math.MaxInt16)
			}
			l.Data[at] = int16(n)
			at++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// file is an open NIfTI file behind its header.
type file struct {
	io.Closer
	head *header
	r    io.Reader
	gzip bool
}

// maxGzip is the most that deflate can shrink anything, 1032 to 1; a header
// claiming more than that is damaged, and is refused before memory is taken.
const maxGzip = 1032

func open(path string) (*file, error) {
	raw, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := raw.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("it is a folder")
	}
	var f *file
	if err == nil {
		f, err = read(raw, info.Size())
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	f.Closer = raw
	return f, nil
}

// read reads the header of a stream of size bytes and goes to its first voxel.
func read(raw io.Reader, size int64) (*file, error) {
	buffered := bufio.NewReaderSize(raw, 1<<16)
	f := &file{r: buffered}
	if start, _ := buffered.Peek(2); len(start) == 2 && start[0] == 0x1f && start[1] == 0x8b {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, damaged(err)
		}
		f.r, f.gzip = z, true
		size *= maxGzip
	}
	head := make([]byte, size2)
	if _, err := io.ReadFull(f.r, head[:4]); err != nil {
		return nil, damaged(err)
	}
	n, order, err := headerSize(head[:4])
	if err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(f.r, head[4:n]); err != nil {
		return nil, damaged(err)
	}
	if f.head, err = parseHeader(head[:n], n, order); err != nil {
		return nil, err
	}
	if need := f.head.offset + f.head.bytes(); need > size {
		return nil, fmt.Errorf("its header claims %d bytes, but the file cannot hold more than %d; it is cut short or damaged: copy it again", need, size)
	}
	if _, err := io.CopyN(io.Discard, f.r, f.head.offset-int64(n)); err != nil {
		return nil, damaged(err)
	}
	return f, nil
}

// damaged explains an error of the stream below.
func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is cut short; copy or download it again")
	}
	var op *os.PathError
	if errors.As(err, &op) {
		return err
	}
	return fmt.Errorf("it is damaged (%w); copy or download it again", err)
}

// voxels gives all values in order, in pieces, and at the end lets gzip compare
// its checksum.
func (f *file) voxels(take func([]float64) error) error {
	const piece = 8192
	width := f.head.kind.width()
	raw, values := make([]byte, piece*width), make([]float64, piece)
	for left := f.head.values(); left > 0; {
		n := int(min(left, piece))
		if _, err := io.ReadFull(f.r, raw[:n*width]); err != nil {
			return damaged(err)
		}
		f.head.decode(raw, values[:n])
		if err := take(values[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	if f.gzip {
		if _, err := io.Copy(io.Discard, f.r); err != nil {
			return damaged(err)
		}
	}
	return nil
}

// decode widens stored voxels to float64 and applies slope and intercept.
func (h *header) decode(b []byte, out []float64) {
	switch o := h.order; h.kind {
	case kindUint8:
		for i := range out {
			out[i] = float64(b[i])
		}
	case kindInt8:
		for i := range out {
			out[i] = float64(int8(b[i]))
		}
	case kindInt16:
		for i := range out {
			out[i] = float64(int16(o.Uint16(b[2*i:])))
		}
	case kindUint16:
		for i := range out {
			out[i] = float64(o.Uint16(b[2*i:]))
		}
	case kindInt32:
		for i := range out {
			out[i] = float64(int32(o.Uint32(b[4*i:])))
		}
	case kindUint32:
		for i := range out {
			out[i] = float64(o.Uint32(b[4*i:]))
		}
	case kindFloat32:
		for i := range out {
			out[i] = float64(math.Float32frombits(o.Uint32(b[4*i:])))
		}
	case kindInt64:
		for i := range out {
			out[i] = float64(int64(o.Uint64(b[8*i:])))
		}
	case kindUint64:
		for i := range out {
			out[i] = float64(o.Uint64(b[8*i:]))
		}
	case kindFloat64:
		for i := range out {
			out[i] = math.Float64frombits(o.Uint64(b[8*i:]))
		}
	}
	if h.slope != 1 || h.inter != 0 {
		for i, v := range out {
			out[i] = v*h.slope + h.inter
		}
	}
}
