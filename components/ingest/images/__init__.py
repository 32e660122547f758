"""Sources of images: IDX files, and a folder of images a class."""
