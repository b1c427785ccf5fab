"""What a deployment uploads: the functions' zips, the app's source bundle, and where they lie in S3."""
