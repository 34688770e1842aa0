package diag

// Code names a kind of mistake, for good: tools and documents may refer to it.
//
// Each constant's comment holds an example that a test compiles and expects to
// fail with this code. An example is the inside of an experiment that has a
// name and one data set, unless it says `package` or `import` itself.
type Code string

// Syntax is text that is not CUE.
//
//	import "runspec.internal/spec"
//	spec.#Experiment & {
//		name: "x
//	}
const Syntax Code = "syntax"

// Import is a package that does not resolve.
//
//	import "runspec.internal/spce"
//	spce.#Experiment & {name: "x"}
const Import Code = "import"

// NoExperiment is a file that does not embed #Experiment.
//
//	import "runspec.internal/spec"
//	experiment: spec.#Experiment & {name: "x", datasets: [spec.msd.Task02_Heart]}
const NoExperiment Code = "no-experiment"

// Reference is a name that nothing bears.
//
//	baselines: [spec.nnunet.Konv]
const Reference Code = "reference"

// UnknownDataset is a data set that the catalogue lacks.
//
//	datasets: [spec.msd.Task04_Hipocampus]
const UnknownDataset Code = "unknown-dataset"

// UnknownField is a field that the schema lacks.
//
//	training: iteration: 50
const UnknownField Code = "unknown-field"

// MissingField is a required field that is absent.
//
//	studies: a: optimizer: spec.#Random & {trials: 3}
const MissingField Code = "missing-field"

// WrongType is a value of another type than its field's.
//
//	training: iterations: "many"
const WrongType Code = "wrong-type"

// OutOfBounds is a number outside the bounds of its field.
//
//	training: iterations: 0
const OutOfBounds Code = "out-of-bounds"

// NotAChoice is a word that is none of those allowed.
//
//	training: validateWith: "bset"
const NotAChoice Code = "not-a-choice"

// BadFormat is a text that lacks the form of its field.
//
//	datasets: [{name: "Dataset 4", source: {kind: "folder", path: "data"}}]
const BadFormat Code = "bad-format"

// Incomplete is a value that is not fixed.
//
//	training: iterations: int
const Incomplete Code = "incomplete"

// Conflict is a field with two values.
//
//	seed: 1
//	seed: 2
const Conflict Code = "conflict"

// Invalid is any other objection of CUE's.
//
//	seed: div(1, 0)
const Invalid Code = "invalid"

// MinAboveMax is a lower bound above its upper bound.
//
//	fidelity: {min: 100, max: 10}
const MinAboveMax Code = "min-above-max"

// PrecisionWithoutDevice is a precision that the processor does not compute in.
//
//	engine: "cpu"
//	training: precision: "bf16"
const PrecisionWithoutDevice Code = "precision-without-device"

// DefaultOutside is a default outside its parameter's range or choices.
//
//	studies: a: {optimizer: spec.#Random & {trials: 3}, space: {
//		initial_lr: {kind: "float", low: 1e-4, high: 1e-2, default: 0.1}
//	}}
const DefaultOutside Code = "default-outside"

// BadRange is a range that holds no value, or that a logarithm can't scale.
//
//	studies: a: {optimizer: spec.#Random & {trials: 3}, space: {
//		aug_factor: {kind: "float", low: 0, high: 3, log: true}
//	}}
const BadRange Code = "bad-range"

// BadChoices is a list of choices with repetitions or of several types.
//
//	studies: a: {optimizer: spec.#Random & {trials: 3}, space: {
//		optimizer: {kind: "categorical", choices: ["SGD", "Adam", "SGD"]}
//	}}
const BadChoices Code = "bad-choices"

// UnknownHyperparameter is a parameter that no training knows.
//
//	studies: a: {optimizer: spec.#Random & {trials: 3}, space: {
//		inital_lr: {kind: "float", low: 1e-4, high: 1e-2}
//	}}
const UnknownHyperparameter Code = "unknown-hyperparameter"

// BadHyperparameter is a parameter with values that its training refuses.
//
//	studies: a: {optimizer: spec.#Random & {trials: 3}, space: {
//		momentum: {kind: "float", low: 0.5, high: 1.5}
//	}}
const BadHyperparameter Code = "bad-hyperparameter"

// Overruled is a parameter that another one overrules wherever both are active.
//
//	studies: a: {optimizer: spec.#Random & {trials: 3}, space: {
//		architecture: {kind: "grammar", grammar: "unet"}
//		encoder_type: {kind: "categorical", choices: ["ConvolutionalEncoder", "ResidualEncoderM"]}
//	}}
const Overruled Code = "overruled-hyperparameter"

// PriorWithoutDefault is a prior with nothing to lie around.
//
//	studies: a: {optimizer: spec.#Random & {trials: 3}, space: {
//		initial_lr: {kind: "float", low: 1e-4, high: 1e-2, prior: confidence: "low"}
//	}}
const PriorWithoutDefault Code = "prior-without-default"

// UnknownParent is a condition on a parameter that the space lacks.
//
//	studies: a: {optimizer: spec.#Random & {trials: 3}, space: {
//		momentum: {kind: "float", low: 0.5, high: 0.9, when: optimiser: "SGD"}
//	}}
const UnknownParent Code = "unknown-parent"

// NeverHolds is a condition that its parent's values can't fulfil.
//
//	studies: a: {optimizer: spec.#Random & {trials: 3}, space: {
//		optimizer: {kind: "categorical", choices: ["SGD", "Adam"]}
//		momentum: {kind: "float", low: 0.5, high: 0.9, when: optimizer: "Sgd"}
//	}}
const NeverHolds Code = "never-holds"

// ConditionCycle is a ring of conditions.
//
//	studies: a: {optimizer: spec.#Random & {trials: 3}, space: {
//		optimizer: {kind: "categorical", choices: ["SGD", "Adam"], when: lr_scheduler: "None"}
//		lr_scheduler: {kind: "categorical", choices: ["None"], when: optimizer: "SGD"}
//	}}
const ConditionCycle Code = "condition-cycle"

// EmptySpace is a search space without parameters.
//
//	studies: a: {optimizer: spec.#Random & {trials: 3}, space: {}}
const EmptySpace Code = "empty-space"

// Duplicate is a second thing of the same name.
//
//	folds: [0, 1, 0]
const Duplicate Code = "duplicate"

// NoTrials is a study that neither says how many trials it has nor has a budget.
//
//	studies: a: {optimizer: spec.#Random, space: spec.autonnunet.HPO}
const NoTrials Code = "no-trials"

// OverBudget is a study whose trials cost more than its budget.
//
//	budget: epochs: 100
//	studies: a: {optimizer: spec.#Random & {trials: 3}, space: spec.autonnunet.HPO}
const OverBudget Code = "over-budget"

// TooFewTrials is a ladder whose top rung nobody reaches.
//
//	studies: a: {optimizer: spec.#SuccessiveHalving & {trials: 3}, space: spec.autonnunet.HPO}
const TooFewTrials Code = "too-few-trials"

// UnknownBaseline is a report against a baseline that the experiment lacks.
//
//	report: against: "nnunet/ResEncM"
const UnknownBaseline Code = "unknown-baseline"

// UndefinedSymbol is a symbol of a grammar that has no production and is no
// terminal. It stands in a grammar's file, so no experiment fails by it.
const UndefinedSymbol Code = "undefined-symbol"

// UnreachableSymbol is a production that no derivation uses. It stands in a
// grammar's file, so no experiment fails by it.
const UnreachableSymbol Code = "unreachable-symbol"

// UnproductiveSymbol is a symbol of a grammar whose derivations never end. It
// stands in a grammar's file, so no experiment fails by it.
const UnproductiveSymbol Code = "unproductive-symbol"

// CyclicSymbol is a symbol of a grammar that can lead back to itself. It stands
// in a grammar's file, so no experiment fails by it.
const CyclicSymbol Code = "cyclic-symbol"

// EmptyAlternative is an alternative without symbols, or a production without
// alternatives. It stands in a grammar's file, so no experiment fails by it.
const EmptyAlternative Code = "empty-alternative"

// BadWeights is a list of weights that are no probabilities. It stands
// in a grammar's file, so no experiment fails by it.
const BadWeights Code = "bad-weights"

// UnboundVariable is a variable of a grammar without a value, or a value
// without a variable. It stands in a grammar's file, so no experiment fails by it.
const UnboundVariable Code = "unbound-variable"

// NoConfiguration is a configuration of nnU-Net that its data set lacks, or that
// can't be trained.
//
//	datasets: [{name: "Dataset901_A", configuration: "3d_cascade_fullres", source: {kind: "folder", path: "a"}}]
const NoConfiguration Code = "no-configuration"

// UnknownTag is a tag that the spec lacks, or a value that its tag refuses. It
// is given on the command line, so no file is to blame and no example fails.
const UnknownTag Code = "unknown-tag"

// BadSetting is a --set without the form path=value, or of what is no field. It
// is given on the command line, so no file is to blame and no example fails.
const BadSetting Code = "bad-setting"

// Unreadable is a file, or a data set's data, that can't be read. It depends
// on the disk, so no example fails.
const Unreadable Code = "unreadable"

// Internal is a defect of the compiler itself. No example is known.
const Internal Code = "internal"
