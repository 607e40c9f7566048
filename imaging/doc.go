// Package imaging is the vocabulary of image processing: jobs and their outcomes, images and
// their variants, formats and sizes, failure codes, the pipeline version, and the keys of
// objects in the bucket.
//
// The work itself is done by the packages below it. imaging/fetch downloads sources,
// imaging/process turns them into variants, and imaging/worker runs one attempt of a job from
// claim to settlement. imaging/jpeg, webp, resize, icc, ssim and thumbhash are codecs and
// measures that are useful on their own. imaging/imagingtest draws pictures for tests.
//
// The package imports no other package of the project. Begin with imaging.go for the states
// and failure codes of an image and with job.go for the life of a job. object_key.go has the
// layout of the bucket.
package imaging
