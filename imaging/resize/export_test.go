package resize

// ScalePlain is Scale without vectors.
var ScalePlain = scalePlain
