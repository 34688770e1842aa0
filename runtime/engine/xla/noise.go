package xla

import "math"

// rotations of Threefry-2x32 (Salmon et al. 2011, Parallel random numbers: as easy
// as 1, 2, 3), for four rounds and the next four.
var rotations = [2][4]int{{13, 15, 26, 6}, {17, 29, 16, 24}}

// threefry is Threefry-2x32 with 20 rounds: two words of each counter under a key,
// all of one shape.
func (e *emitter) threefry(key, counter [2]value) [2]value {
	parity := e.constant(0x1bd11bda, u32, key[0].shape)
	keys := [3]value{key[0], key[1], e.binary("xor", parity, e.binary("xor", key[0], key[1]))}
	x := [2]value{e.add(counter[0], keys[0]), e.add(counter[1], keys[1])}
	for round := range 5 {
		for _, r := range rotations[round%2] {
			x[0] = e.add(x[0], x[1])
			left := e.binary("shift_left", x[1], e.like(float64(r), x[1]))
			right := e.binary("shift_right_logical", x[1], e.like(float64(32-r), x[1]))
			x[1] = e.binary("xor", x[0], e.binary("or", left, right))
		}
		x[0] = e.add(x[0], keys[(round+1)%3])
		x[1] = e.add(x[1], e.add(keys[(round+2)%3], e.like(float64(round+1), x[1])))
	}
	return x
}

// normal makes a normal deviate of two words (Box and Muller 1958): 24 bits of
// each, so that none is farther out than 5.8.
func (e *emitter) normal(words [2]value) value {
	var u [2]value
	for i, w := range words {
		u[i] = e.scaled(e.convert(e.binary("shift_right_logical", w, e.like(8, w)), f32), 1.0/(1<<24))
	}
	above := e.add(u[0], e.like(1.0/(1<<24), u[0])) // (0, 1]
	radius := e.unary("sqrt", e.scaled(e.unary("log", above), -2))
	return e.mul(radius, e.unary("cosine", e.scaled(u[1], 2*math.Pi)))
}
