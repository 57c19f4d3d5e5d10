package route

import (
	"github.com/sallyport/sallyport/sbc"
)

// Rows are what a Table is made of, in any order, disabled ones included: they are passed over with a step that says so. The rows
// are only read, and must not be changed afterwards.
type Rows struct {
	Plans     []*sbc.RoutingPlan
	Rules     []*sbc.Rule
	Lists     []*sbc.RouteList
	Targets   []*sbc.Target
	Trunks    []*sbc.Trunk
	Endpoints []*sbc.Endpoint
	// Out says of a trunk's id why the trunk is out of service although it is enabled (its realm is not); nil or "" if it is not.
	Out func(trunkID string) string
}

// Table is a compiled set of routing plans. The zero Table has no plans.
type Table struct {
}

// Compile builds a Table.
func Compile(rows Rows) (*Table, error) { return &Table{}, nil }

// Plan decides on one call.
func (t *Table) Plan(q Query) Plan { return Plan{RoutingPlanID: q.PlanID} }
