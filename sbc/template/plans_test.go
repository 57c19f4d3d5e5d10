package template

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/numberplan"
)

// plan compiles the number plan of a template.
func plan(t *testing.T, name string, parameters map[string]any) *numberplan.Plan {
	t.Helper()
	made, faults := named(t, name).Fill(parameters)
	if len(faults) > 0 || len(made) != 1 {
		t.Fatalf("%d resources, %v", len(made), faults)
	}
	raw, err := json.Marshal(made[0].Body(nil))
	if err != nil {
		t.Fatal(err)
	}
	row := &sbc.NumberPlan{}
	row.Defaults()
	if err := json.Unmarshal(raw, row); err != nil {
		t.Fatal(err)
	}
	if faults := row.Validate(); len(faults) > 0 {
		t.Fatalf("%v", faults)
	}
	return numberplan.Compile(row)
}

// dialled is a number, what it comes to and its class; class "" is one without a class, which counts as local.
type dialled struct {
	number, normal string
	class          sbc.NumberClass
}

const (
	emergency, local, national, mobile = sbc.ClassEmergency, sbc.ClassLocal, sbc.ClassNational, sbc.ClassMobile
	abroad, premium, freephone         = sbc.ClassInternational, sbc.ClassPremium, sbc.ClassFreephone
)

// TestNumberPlansOfCountries holds the plan of each country against numbers as its people dial them.
func TestNumberPlansOfCountries(t *testing.T) {
	for _, c := range []struct {
		template, area string
		numbers        []dialled
	}{
		{"number-plan-de", "30", []dialled{
			{"110", "110", emergency}, {"112", "112", emergency}, {"123456", "+4930123456", local}, {"030123456", "+4930123456", local},
			{"089123456", "+4989123456", national}, {"01711234567", "+491711234567", mobile}, {"01511234567", "+491511234567", mobile},
			{"09001234567", "+499001234567", premium}, {"01805123456", "+491805123456", premium}, {"0137123456", "+49137123456", premium},
			{"11833", "11833", premium}, {"118123", "118123", premium}, {"08001234567", "+498001234567", freephone}, {"116117",
				"116117", freephone},
			{"115", "115", national}, {"0033123456789", "+33123456789", abroad}, {"00800123456", "+800123456", freephone},
			{"00491711234567", "+491711234567", mobile}, {"+43123456", "+43123456", abroad}, {"110123", "+4930110123", local},
			{"0033123456789012345", "0033123456789012345", abroad}, {"0900123456789012345", "0900123456789012345", premium},
			{"0900-1234567", "+499001234567", premium}, {"030/1", "030/1", ""},
		}},
		{"number-plan-de", "", []dialled{
			{"123456", "123456", ""}, {"030123456", "+4930123456", national}, {"112", "112", emergency}, {"116117", "116117", freephone},
		}},
		{"number-plan-at", "1", []dialled{
			{"112", "112", emergency}, {"133", "133", emergency}, {"144", "144", emergency}, {"147", "147", emergency},
			{"4064343", "+4314064343", local}, {"014064343", "+4314064343", local}, {"0316123456", "+43316123456", national},
			{"0662123456", "+43662123456", national}, {"06542123456", "+436542123456", national}, {"06641234567", "+436641234567", mobile},
			{"06991234567", "+436991234567", mobile}, {"0900123456", "+43900123456", premium}, {"0810123456", "+43810123456", premium},
			{"118877", "118877", premium}, {"0800123456", "+43800123456", freephone}, {"116123", "116123", freephone},
			{"004930123456", "+4930123456", abroad},
		}},
		{"number-plan-ch", "", []dialled{
			{"112", "112", emergency}, {"117", "117", emergency}, {"118", "118", emergency}, {"144", "144", emergency}, {"1414",
				"1414", emergency},
			{"0443334455", "+41443334455", national}, {"0791234567", "+41791234567", mobile}, {"0900123456", "+41900123456", premium},
			{"0842123456", "+41842123456", premium}, {"1818", "1818", premium}, {"0800123456", "+41800123456", freephone},
			{"0043123456789", "+43123456789", abroad},
		}},
		{"number-plan-fr", "", []dialled{
			{"15", "15", emergency}, {"17", "17", emergency}, {"18", "18", emergency}, {"112", "112", emergency}, {"114", "114", emergency},
			{"116000", "116000", emergency}, {"196", "196", emergency}, {"0142345678", "+33142345678", national},
			{"0612345678", "+33612345678", mobile}, {"0712345678", "+33712345678", mobile}, {"0899123456", "+33899123456", premium},
			{"0825123456", "+33825123456", premium}, {"3615", "3615", premium}, {"118712", "118712", premium}, {"0800123456",
				"+33800123456", freephone},
			{"0809123456", "+33809123456", national}, {"3008", "3008", freephone}, {"0262123456", "+33262123456", abroad},
			{"0692123456", "+33692123456", abroad}, {"00442012345678", "+442012345678", abroad},
		}},
		{"number-plan-gb", "20", []dialled{
			{"999", "999", emergency}, {"112", "112", emergency}, {"18000", "18000", emergency}, {"79460000", "+442079460000", local},
			{"02079460000", "+442079460000", local}, {"01614960000", "+441614960000", national}, {"03001234567", "+443001234567", national},
			{"07700900123", "+447700900123", mobile}, {"07012345678", "+447012345678", premium}, {"09061234567", "+449061234567", premium},
			{"08451234567", "+448451234567", premium}, {"118118", "118118", premium}, {"08001234567", "+448001234567", freephone},
			{"08081234567", "+448081234567", freephone}, {"111", "111", freephone}, {"101", "101", national}, {"0012125550100",
				"+12125550100", abroad},
		}},
		{"number-plan-us-ca", "212", []dialled{
			{"911", "911", emergency}, {"5550100", "+12125550100", local}, {"2125550100", "+12125550100", local},
			{"12125550100", "+12125550100", local}, {"4165550100", "+14165550100", national}, {"14165550100", "+14165550100", national},
			{"7875550100", "+17875550100", national}, {"19005550100", "+19005550100", premium}, {"411", "411", premium},
			{"8005550100", "+18005550100", freephone}, {"18885550100", "+18885550100", freephone}, {"988", "988", freephone},
			{"18765550100", "+18765550100", abroad}, {"8095550100", "+18095550100", abroad}, {"0114930123456", "+4930123456", abroad},
			{"+12125550100", "+12125550100", local}, {"011491511234567", "+491511234567", abroad},
		}},
		{"number-plan-us-ca", "", []dialled{
			{"2125550100", "+12125550100", national}, {"5550100", "5550100", ""}, {"911", "911", emergency},
		}},
		{"number-plan-it", "", []dialled{
			{"112", "112", emergency}, {"118", "118", emergency}, {"1515", "1515", emergency}, {"0612345678", "+390612345678", national},
			{"3331234567", "+393331234567", mobile}, {"899123456", "+39899123456", premium}, {"892424", "892424", premium},
			{"199123456", "+39199123456", premium}, {"1254", "1254", premium}, {"800123456", "+39800123456", freephone},
			{"1522", "1522", freephone},
			{"004930123456", "+4930123456", abroad},
		}},
		{"number-plan-es", "", []dialled{
			{"112", "112", emergency}, {"061", "061", emergency}, {"091", "091", emergency}, {"912345678", "+34912345678", national},
			{"612345678", "+34612345678", mobile}, {"722345678", "+34722345678", mobile}, {"803123456", "+34803123456", premium},
			{"902123456", "+34902123456", premium}, {"11818", "11818", premium}, {"900123456", "+34900123456", freephone},
			{"016", "016", freephone},
			{"004930123456", "+4930123456", abroad},
		}},
		{"number-plan-nl", "", []dialled{
			{"112", "112", emergency}, {"0201234567", "+31201234567", national}, {"0612345678", "+31612345678", mobile},
			{"09001234", "+319001234", premium}, {"1888", "1888", premium}, {"08001234", "+318001234", freephone}, {"113",
				"113", freephone},
			{"14020", "14020", national}, {"004930123456", "+4930123456", abroad},
		}},
	} {
		t.Run(c.template+" "+c.area, func(t *testing.T) {
			given := map[string]any{}
			if c.area != "" {
				given["area_code"] = c.area
			}
			p := plan(t, c.template, given)
			for _, d := range c.numbers {
				normal := p.Normal(d.number)
				if class, _ := p.Class(d.number, normal); normal != d.normal || class != d.class {
					t.Errorf("%s is %s of class %q, want %s of %q", d.number, normal, class, d.normal, d.class)
				}
			}
		})
	}
}

// TestEmergencyNumbersOfCountries: they are emergency numbers and stay as they are dialled, with an area code and without; one digit more
// is none.
func TestEmergencyNumbersOfCountries(t *testing.T) {
	for country, numbers := range map[string]string{
		"de": "110 112", "at": "112 122 128 133 140 141 142 144 147", "ch": "112 117 118 143 144 145 147 1414 1415",
		"fr": "15 17 18 112 114 115 119 191 196 197 116000 116111 116117", "gb": "112 999 18000", "us-ca": "911",
		"it": "112 113 114 115 117 118 1515 1530", "es": "112 061 062 080 085 088 091 092", "nl": "112",
	} {
		for _, area := range []string{"", "212"} {
			given := map[string]any{}
			if area != "" && named(t, "number-plan-"+country).parameter("area_code") != nil {
				given["area_code"] = area
			}
			p := plan(t, "number-plan-"+country, given)
			for number := range strings.FieldsSeq(numbers) {
				if class, _ := p.Class(number, p.Normal(number)); class != emergency || p.Normal(number) != number {
					t.Errorf("%s in %s is %s of class %q", number, country, p.Normal(number), class)
				}
				if class, _ := p.Class(number+"99", p.Normal(number+"99")); class == emergency {
					t.Errorf("%s99 in %s is an emergency number", number, country)
				}
			}
		}
	}
}

// TestEveryNumberPlanIsTried: a country that is added has numbers in the table above.
func TestEveryNumberPlanIsTried(t *testing.T) {
	tried := map[string]bool{"de": true, "at": true, "ch": true, "fr": true, "gb": true, "us-ca": true, "it": true, "es": true, "nl": true}
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, tpl := range all {
		if tpl.Kind == KindNumberPlan && !tried[tpl.Name[len("number-plan-"):]] {
			t.Errorf("%s is not tried", tpl.Name)
		}
	}
}
