package kernel

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Pool is a number of threads and the scratch memory of the kernels that run
// on them. One kernel at a time may use a Pool.
type Pool struct {
	threads int
	lanes   []lane
	f32     [slots][]float32
	f64     [slots][]float64
	i64     [slots][]int64
}

// slot names one scratch buffer. Kernels that call each other use different ones.
type slot int

const (
	slotPadded  slot = iota // an input inside its border of zeros
	slotColumns             // one row of inputs per output voxel (im2col)
	slotPacked              // weights as panels
	slotBias                // bias lengthened to whole panels
	slotWeights             // weights or their gradient in another order
	slotTurned              // a transposed gradient of weights
	slotPartial             // one partial sum per chunk
	slotFactors             // coefficients per channel
	slotLosses              // a loss per voxel
	slotRuns                // offsets of runs
	slotRows                // offsets of rows
	slotZeros               // never written
	slots
)

// lane is what one worker needs for itself.
type lane struct {
	tile       tile
	outer      outer
	temp       [12 * 32]float32
	aoff, coff []int64
	left       []float32
	right      []float32
	lines      []float32
	_          [64]byte // keeps two workers off one cache line
}

// NewPool makes a Pool of that many threads, at least one.
func NewPool(threads int) *Pool {
	threads = max(1, threads)
	return &Pool{threads: threads, lanes: make([]lane, threads)}
}

// Threads is the number of workers.
func (p *Pool) Threads() int { return p.threads }

// Run calls f(worker, i) for every i in [0, n), with worker in [0, Threads),
// and returns when all calls have. Which worker gets which i is left open, so
// f must give the same result whoever runs it. A panic in f reaches the caller.
func (p *Pool) Run(n int, f func(worker, i int)) {
	workers := min(p.threads, n)
	if workers <= 1 {
		for i := range n {
			f(0, i)
		}
		return
	}
	var (
		next   atomic.Int64
		group  sync.WaitGroup
		failed atomic.Pointer[string]
	)
	work := func(worker int) {
		defer func() {
			if r := recover(); r != nil {
				text := fmt.Sprint(r)
				failed.CompareAndSwap(nil, &text)
			}
		}()
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			f(worker, i)
		}
	}
	for w := 1; w < workers; w++ {
		group.Go(func() { work(w) })
	}
	work(0)
	group.Wait()
	if text := failed.Load(); text != nil {
		panic(*text)
	}
}

// ScratchBytes is the scratch memory held, which is also the most ever needed.
func (p *Pool) ScratchBytes() int {
	n := 0
	for i := range p.f32 {
		n += 4*cap(p.f32[i]) + 8*cap(p.f64[i]) + 8*cap(p.i64[i])
	}
	for i := range p.lanes {
		l := &p.lanes[i]
		n += 8*(cap(l.aoff)+cap(l.coff)) + 4*(cap(l.left)+cap(l.right)+cap(l.lines))
	}
	return n
}

// floats, doubles and offsets give scratch of n elements whose contents are
// left over from earlier calls.
func (p *Pool) floats(s slot, n int) []float32  { return resize(&p.f32[s], n) }
func (p *Pool) doubles(s slot, n int) []float64 { return resize(&p.f64[s], n) }
func (p *Pool) offsets(s slot, n int) []int64   { return resize(&p.i64[s], n) }

func resize[T any](b *[]T, n int) []T {
	if cap(*b) < n {
		*b = nil // let the old one go before the new one comes
		*b = make([]T, n)
	}
	return (*b)[:n]
}

// eachRange cuts [0, n) into pieces of about the given size and runs f on each.
// Only for loops whose elements do not touch each other.
func (p *Pool) eachRange(n, size int, f func(lo, hi int)) {
	p.Run((n+size-1)/size, func(_, i int) { f(i*size, min(n, (i+1)*size)) })
}

func mustLen(what string, got, want int) {
	if got != want {
		panic(fmt.Sprintf("kernel: %s has %d elements, the shape needs %d", what, got, want))
	}
}
