package search

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"slices"

	"runspec/compiler/space"
)

// coordinates are a configuration and a fidelity as a surrogate sees them: the
// place in the sampling scale of a numeric parameter, the index of a choice, what
// a derivation is made of, in several; absent for a parameter whose conditions
// fail; last the fidelity's place between the lowest rung and the top.
type coordinates []float64

const absent = -1

// encoder turns configurations into coordinates.
type encoder struct {
	parameters []space.Parameter
	trees      map[string]*forest // by parameter that is a grammar
	axes       []axis             // by coordinate
}

// axis says how the values of a coordinate are compared.
type axis struct {
	numeric bool
	likes   []float64 // of a set of bits: similarity by the number of bits that differ
}

func newEncoder(s space.Space) encoder {
	e := encoder{trees: map[string]*forest{}}
	for _, p := range s.Parameters {
		if p.Kind == space.Constant {
			continue
		}
		e.parameters = append(e.parameters, p)
		e.axes = append(e.axes, axis{numeric: p.Kind == space.Float || p.Kind == space.Int})
		if p.Kind == space.Grammar && p.Grammar != nil {
			f := newForest(p)
			e.trees[p.Name], e.axes = f, append(e.axes, f.axes()...)
		}
	}
	e.axes = append(e.axes, axis{numeric: true})
	return e
}

// strangers makes all derivations strangers, but for equal ones.
func (e encoder) strangers() {
	for d := range e.axes {
		e.axes[d].likes = nil
	}
}

func (e encoder) encode(c space.Configuration, fidelity float64) coordinates {
	return e.encodeInto(make(coordinates, 0, len(e.axes)), c, fidelity)
}

// encodeInto is encode that appends to x.
func (e encoder) encodeInto(x coordinates, c space.Configuration, fidelity float64) coordinates {
	for i := range e.parameters {
		p := &e.parameters[i]
		v, ok := c[p.Name]
		switch f := e.trees[p.Name]; {
		case !ok:
			x = append(x, absent)
			for range f.size() {
				x = append(x, absent)
			}
		case f != nil:
			x = append(x, f.read(v).coordinates...)
		case p.Kind == space.Float || p.Kind == space.Int:
			x = append(x, p.Place(v))
		default:
			x = append(x, choice(*p, v))
		}
	}
	return append(x, fidelity)
}

// choice numbers a choice. A value that no list holds, such as a derivation, gets
// a number of its own out of its text.
func choice(p space.Parameter, v space.Value) float64 {
	if i := slices.Index(p.Options(), v); i >= 0 {
		return float64(i)
	}
	h := fnv.New64a()
	h.Write([]byte(v.String()))
	return float64(1<<20 + h.Sum64()>>12) // exact in a float64, and beyond any index
}

// name names a configuration by its coordinates, which is much cheaper than its
// key.
func (x coordinates) name() string {
	out := make([]byte, 0, 8*len(x))
	for _, v := range x[:len(x)-1] {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
	}
	return string(out)
}

// falloff is how fast similarity decays with a squared numeric distance,
// stranger what two different choices have in common.
const (
	falloff  = 2.0
	stranger = 0.2
)

// similarity of two values of coordinate d, 1 where they are equal: a rational
// quadratic for numbers, which takes no exponential.
func (e encoder) similarity(d int, a, b float64) float64 {
	switch {
	case a == b:
		return 1
	case a < 0 || b < 0:
		return stranger
	case e.axes[d].likes != nil:
		return e.axes[d].likes[differing(a, b)]
	case !e.axes[d].numeric:
		return stranger
	}
	s := 1 / (1 + falloff*(a-b)*(a-b))
	return s * s
}

// kernel is the covariance of two points: an additive Gaussian process
// (Duvenaud, Nickisch and Rasmussen 2011) with the first order, the second and
// the full product of the coordinates' similarities. Additive terms learn from
// few points what a coordinate does by itself; the product keeps the rest.
type kernel struct {
	weights []float64 // how much each coordinate matters
	pairs   float64   // factor of the second order
	product float64   // factor of the product
	noise   float64   // added on the diagonal
}

// initialKernel is what a kernel is before anything is known.
func (e encoder) initialKernel() kernel {
	k := kernel{pairs: 0.3, product: 0.1, noise: 1e-3}
	for range e.axes {
		k.weights = append(k.weights, 1/float64(len(e.axes)))
	}
	k.weights[len(k.weights)-1] = 1 // the fidelity
	return k
}

// shares are the weights over their greatest: how much a coordinate matters in
// the product.
func (k kernel) shares() []float64 {
	out, greatest := make([]float64, len(k.weights)), slices.Max(k.weights)
	for d, w := range k.weights {
		out[d] = w / greatest
	}
	return out
}

// sums gather the three orders of a covariance, coordinate by coordinate.
type sums struct{ linear, squares, product float64 }

func (s *sums) add(similarity, weight, share float64) {
	v := weight * similarity
	s.linear += v
	s.squares += v * v
	s.product *= 1 - share*(1-similarity)
}

// covariance is 1, for the unknown mean, and the three orders.
func (k kernel) covariance(s sums) float64 {
	return 1 + s.linear + k.pairs*(s.linear*s.linear-s.squares)/2 + k.product*s.product
}

// variance is the covariance of a point with itself.
func (k kernel) variance() float64 {
	s := sums{product: 1}
	for _, w := range k.weights {
		s.add(1, w, 1)
	}
	return k.covariance(s)
}
