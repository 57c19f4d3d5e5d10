package sbc

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// TestAudioOutAndBack: a document written before the audio had a place of its own gives it, keeps everything else, also what
// this program does not know, and can be made again.
func TestAudioOutAndBack(t *testing.T) {
	const old = `{"id":"ann_1","name":"a \"b\"","duration_ms":20,"audio":"AAECAw==","later":{"x":[1.50]}}`
	without, audio, err := TakeAudioOut([]byte(old))
	if err != nil || !bytes.Equal(audio, []byte{0, 1, 2, 3}) {
		t.Fatalf("%v, %v", audio, err)
	}
	var a Announcement
	if err := json.Unmarshal(without, &a); err != nil || !a.HasAudio() {
		t.Fatalf("%+v, %v", a, err)
	}
	if got, want := a.Audio(), (Blob{OwnerID: "ann_1", Name: "audio", ContentType: AudioContentType, Size: 4,
		SHA256: HashBlob(audio)}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	back, err := PutAudioBack(without, audio)
	var x, y any
	if err != nil || json.Unmarshal(back, &x) != nil || json.Unmarshal([]byte(old), &y) != nil || !reflect.DeepEqual(x, y) {
		t.Errorf("back: %s, %v", back, err)
	}
	for _, none := range []string{`{"id":"ann_1"}`, `{"id":"ann_1","audio":""}`, `{"id":"ann_1","audio":null}`} {
		if same, audio, err := TakeAudioOut([]byte(none)); err != nil || audio != nil || string(same) != none {
			t.Errorf("%s: %s, %v, %v", none, same, audio, err)
		}
	}
	for _, broken := range []string{`{"id":`, `{"audio":7}`, `{"audio":"AA"}`} {
		if _, _, err := TakeAudioOut([]byte(broken)); err == nil {
			t.Errorf("%s is taken", broken)
		}
	}
}
